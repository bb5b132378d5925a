"""One picture from a cold start with Pillow and PyTorch:

    peers/start_pytorch.py --make WEIGHTS.pth     write weights to measure with
    peers/start_pytorch.py WEIGHTS.pth PHOTO      print the five best classes
"""
import sys

import torch
import torchvision

if sys.argv[1] == "--make":
    torch.manual_seed(1)
    torch.save(torchvision.models.mobilenet_v2().state_dict(), sys.argv[2])
    sys.exit()

from PIL import Image
from torchvision import transforms

model = torchvision.models.mobilenet_v2()
model.load_state_dict(torch.load(sys.argv[1]))
model.eval()
prepare = transforms.Compose([
    transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(),
    transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
])
with torch.no_grad():
    scores = model(prepare(Image.open(sys.argv[2]).convert("RGB"))[None]).softmax(1)
for score, c in zip(*[v[0].tolist() for v in scores.topk(5)]):
    print(c, score)
