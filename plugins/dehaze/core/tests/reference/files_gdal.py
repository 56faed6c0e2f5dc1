"""Small pictures as GDAL, cameras and other programs write them, and the samples that are in them: for tests/files.rs.

    python files_gdal.py    # writes files/* and files.safetensors beside it (rasterio 1.4, tifffile 2026.3, pillow 13)
"""

import io
import os
import pathlib
import warnings

import numpy as np
import rasterio
import tifffile
from PIL import Image
from rasterio.enums import ColorInterp
from rasterio.transform import from_origin
from safetensors.numpy import save_file

warnings.simplefilter("ignore")
here = pathlib.Path(__file__).parent
folder = here / "files"
folder.mkdir(exist_ok=True)
samples = {}
random = np.random.default_rng(5)
HEIGHT, WIDTH = 30, 40

# A hazy slope: far and light above, near and dark below, with a texture.
depth = np.linspace(2.0, 0.2, HEIGHT)[:, None] + 0.1 * random.random((HEIGHT, WIDTH))
clear = random.random((5, HEIGHT, WIDTH)) * np.array([0.6, 0.7, 0.5, 0.9, 0.4])[:, None, None]
light = np.array([0.82, 0.86, 0.9, 0.6, 0.7])[:, None, None]
hazy = clear * np.exp(-depth) + light * (1 - np.exp(-depth))


def bands(count, dtype, white=None):
    white = white or np.iinfo(dtype).max
    return np.round(hazy[:count] * white).astype(dtype)


def keep(name, array, channels_first=True):
    """The samples, pixel after pixel."""
    array = np.moveaxis(array, 0, -1) if channels_first else array
    samples[name] = np.ascontiguousarray(array)


def gdal(name, array, nodata=None, colors=None, kept=None, **options):
    count, height, width = array.shape
    with rasterio.open(folder / name, "w", driver="GTiff", count=count, height=height, width=width, dtype=array.dtype,
                       nodata=nodata, crs="EPSG:32632", transform=from_origin(500000, 5200000, 10, 10), compress="deflate",
                       **options) as file:
        if colors:
            file.colorinterp = colors
        file.write(array)
    keep(name, array if kept is None else kept)


R, G, B, A = ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha
for dtype in ["uint8", "uint16"]:
    for count in range(1, 6):
        # As GDAL does it by itself, but that no band is said to be alpha.
        gdal(f"{dtype}_{count}.tif", bands(count, dtype), alpha="no")
    rgba = bands(4, dtype)
    rgba[3] = np.iinfo(dtype).max
    rgba[3, 5:12, :9] = 0
    gdal(f"{dtype}_alpha.tif", rgba, colors=[R, G, B, A], photometric="rgb")
    # What colors are where there is no data must not matter.
    gdal(f"{dtype}_gray_alpha.tif", np.stack([bands(1, dtype)[0], rgba[3]]), alpha="yes")
    gdal(f"{dtype}_planar.tif", bands(3, dtype), interleave="band")
    gdal(f"{dtype}_planar_alpha.tif", rgba, colors=[R, G, B, A], photometric="rgb", interleave="band")
    gdal(f"{dtype}_planar_4.tif", bands(4, dtype), interleave="band", alpha="no")
    gdal(f"{dtype}_tiled.tif", bands(3, dtype), tiled=True, blockxsize=16, blockysize=16)
    gdal(f"{dtype}_tiled_planar.tif", bands(3, dtype), tiled=True, blockxsize=16, blockysize=16, interleave="band", predictor=2)
gdal("float32_3.tif", hazy[:3].astype("float32"))
gdal("int16_3.tif", bands(3, "int16"))
gdal("nan.tif", hazy[:3].astype("float32"), nodata=float("nan"))

# No data in a margin that is not a rectangle of the picture alone, and in a hole.
outside = np.zeros((HEIGHT, WIDTH), bool)
outside[:6] = outside[:, 33:] = True
outside[15:19, 10:20] = True
samples["outside"] = outside.astype(np.uint8)
for name, dtype, value in [("nodata_0.tif", "uint8", 0), ("nodata_255.tif", "uint8", 255), ("nodata_65535.tif", "uint16", 65535)]:
    array = bands(3, dtype)
    # In one band only it is a value like any other.
    array[0, 20, 5] = value
    array[:, outside] = value
    gdal(name, array, nodata=value)
gray = bands(1, "uint8")
gray[:, outside] = 7
gdal("nodata_gray.tif", gray, nodata=7)
# A margin alone: as if the picture ended there.
margin = bands(3, "uint8")
margin[:, :6] = margin[:, :, 33:] = 0
gdal("nodata_margin.tif", margin, nodata=0)
gdal("nodata_all.tif", np.zeros((3, HEIGHT, WIDTH), "uint8"), nodata=0)
# A byte is never -9999.
tifffile.imwrite(folder / "nodata_never.tif", np.moveaxis(bands(3, "uint8"), 0, -1), photometric="rgb",
                 extratags=[(42113, 2, 6, "-9999", True)])
keep("nodata_never.tif", bands(3, "uint8"))

# 12 bits in 16, with and without the tag that says so, and in 12.
twelve = bands(3, "uint16", 4095)
gdal("bits12_told.tif", twelve)
tifffile.imwrite(folder / "bits12_max.tif", np.moveaxis(twelve, 0, -1), photometric="rgb",
                 extratags=[(281, 3, 3, (4095, 4095, 4095), True)])
keep("bits12_max.tif", twelve)
os.rename(folder / "bits12_told.tif", folder / "bits12.tif")
samples["bits12.tif"] = samples.pop("bits12_told.tif")
gdal("nbits12.tif", twelve, nbits=12)
array = twelve.copy()
array[:, outside] = 65535
tifffile.imwrite(folder / "bits12_nodata.tif", np.moveaxis(array, 0, -1), photometric="rgb",
                 extratags=[(281, 3, 1, 4095, True), (42113, 2, 6, "65535", True)])
keep("bits12_nodata.tif", array)

# Overviews and a mask of the data set are pictures of their own; a palette; inks; colors that were multiplied with alpha.
gdal("overviews.tif", bands(3, "uint8"))
with rasterio.open(folder / "overviews.tif", "r+") as file:
    file.build_overviews([2])
with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
    gdal("mask.tif", bands(3, "uint8"))
    with rasterio.open(folder / "mask.tif", "r+") as file:
        file.write_mask(~outside)
rgb = np.moveaxis(bands(3, "uint8"), 0, -1)
picture = Image.fromarray(rgb)
picture.quantize(16).save(folder / "palette.tif")
inks = picture.convert("CMYK")
inks.save(folder / "cmyk.tif")
inks.save(folder / "cmyk.jpg", quality=95)
keep("cmyk.tif", np.asarray(inks), channels_first=False)
multiplied = np.concatenate([rgb // 2, np.full((HEIGHT, WIDTH, 1), 128, np.uint8)], -1)
tifffile.imwrite(folder / "associated.tif", multiplied, photometric="rgb", extrasamples=["assocalpha"])
keep("associated.tif", multiplied, channels_first=False)
tifffile.imwrite(folder / "pages.tif", np.stack([rgb, rgb]), photometric="rgb")

# Cameras and telephones: pictures and more behind the picture.
plain = io.BytesIO()
picture.save(plain, "JPEG", quality=95)
plain = plain.getvalue()
keep("plain.jpg", np.asarray(Image.open(io.BytesIO(plain))), channels_first=False)
(folder / "plain.jpg").write_bytes(plain)
picture.save(folder / "mpf.jpg", "MPO", save_all=True, append_images=[picture.rotate(180)], quality=95)
(folder / "samsung.jpg").write_bytes(plain + b"\0\0\1\x0a\x0e\0\0\0Image_UTC_Data1700000000000"
                                     + b"SEFH\x6b\0\0\0\1\0\0\0\0\0\1\x0a\x23\0\0\0\x23\0\0\0\x18\0\0\0SEFT")
(folder / "motion.jpg").write_bytes(plain + b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + bytes(range(256)))
progressive = io.BytesIO()
picture.save(progressive, "JPEG", quality=95, progressive=True)
(folder / "progressive.jpg").write_bytes(progressive.getvalue() + b"behind")

# BMP of several kinds, one under another name; a PNG of 12 bits in 16.
for name, image in [("rgb.bmp", picture), ("named.png", picture), ("gray.bmp", picture.convert("L")),
                    ("palette.bmp", picture.quantize(16)), ("one_bit.bmp", picture.convert("1"))]:
    image.save(folder / name, "BMP")
    keep(name, np.asarray(image.convert("RGB")), channels_first=False)
tall = picture.crop((0, 0, 37, 29))
tall.save(folder / "odd.bmp")
keep("odd.bmp", np.asarray(tall), channels_first=False)
Image.fromarray(twelve[0]).save(folder / "bits12.png")
keep("bits12.png", twelve[:1])
picture.save(folder / "webp.png", "WEBP")
picture.quantize(8).save(folder / "gif.jpg", "GIF")

save_file(samples, here / "files.safetensors")
