"""Writes quality_reference.json: PSNR and SSIM of the synthetic scene by scikit-image.

  pip install scikit-image safetensors && python quality_reference.py

The hazy input against the clear scene, and the clear scene against itself with every value lowered by 0.05.
"""

import json
from pathlib import Path

import numpy as np
import skimage
from safetensors.numpy import load_file
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

HERE = Path(__file__).parent


def main():
    tensors = load_file(HERE / "dehaze_synthetic.safetensors")
    clear = tensors["synthetic/true_clear"].astype(np.float64)
    hazy = tensors["synthetic/input"] / 255.0
    rows = {}
    for name, image in (("hazy", hazy), ("lowered", clear - 0.05)):
        rows[name] = {
            "psnr": peak_signal_noise_ratio(clear, image, data_range=1.0),
            "ssim": structural_similarity(
                clear,
                image,
                data_range=1.0,
                channel_axis=2,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
            ),
        }
    result = {"scikit_image": skimage.__version__, **rows}
    (HERE / "quality_reference.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
