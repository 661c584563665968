"""Judge a class-conditional model with a classifier that never saw it: does it draw what was asked, and variedly?

    python benchmarks/classifiers.py model_cards/conditional-gan-mnist --data $GANHUB_SHARED/data/mnist-28.npz --n 10000

The classifier is a small CNN trained here on real pictures (minutes on two CPU cores, then cached). With an npz that
says which font a picture comes from, every fifth font is held out from training, so that its accuracy there is
what any drawing in an unseen style can hope for: the ceiling. With a test split, the ceiling is the accuracy on it.

Prints Markdown and merges the numbers into MODEL/metrics.json with --json. Without MODEL only the classifier is
trained and reported.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

# Characters that differ in size or context only, or not at all in some fonts; read as one in the second figure.
LOOK_ALIKES = ("0Oo", "1Il", "Cc", "Jj", "Kk", "Pp", "Ss", "Uu", "Vv", "Ww", "Xx", "Yy", "Zz")


class Classifier(nn.Module):
    """Four convolutions with batch normalisation: [N, 1, H, W] in [-1, 1] -> logits [N, classes]."""

    def __init__(self, classes: int) -> None:
        super().__init__()

        def block(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
            conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
            return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())

        self.body = nn.Sequential(
            block(1, 24, 5, 2), block(24, 48), nn.MaxPool2d(2), block(48, 96), nn.MaxPool2d(2), block(96, 192)
        )  # fmt: skip
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.LazyLinear(classes))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images)).float()


def read(path: Path) -> dict:
    """Read train and held-out pictures, labels and class names of an npz."""
    with np.load(path, allow_pickle=False) as file:
        if "train_x" in file:
            train, held = (file["train_x"], file["train_y"]), (file["test_x"], file["test_y"])
            names, what = [str(c) for c in file["classes"]], "test split"
        else:
            x, y, font = file["x"], file["y"], file["font"]
            order = np.argsort(np.argsort(file["fonts"]))  # font index -> its place in name order
            unseen = order[font] % 5 == 4
            train, held = (x[~unseen], y[~unseen]), (x[unseen], y[unseen])
            names, what = [str(c) for c in file["chars"]], "fonts never seen"
    parts = {}
    for part, (x, y) in (("train", train), ("held", held)):
        parts[part] = torch.from_numpy(x).unsqueeze(1), torch.from_numpy(y.astype(np.int64))
    return {"names": names, "held_is": what, **parts}


def pixels(images: Tensor) -> Tensor:
    """uint8 -> [-1, 1]."""
    return images.float() / 127.5 - 1


def jitter(images: Tensor, generator: torch.Generator, *, rotate: float) -> Tensor:
    """Shift by up to 2 pixels, scale and shear by up to a tenth, rotate by up to ``rotate`` degrees."""
    n, _, height, _ = images.shape
    u = torch.rand(n, 6, generator=generator) * 2 - 1
    angle, size = u[:, 0] * math.radians(rotate), 1 + 0.1 * u[:, 1:3]
    shear = 0.1 * u[:, 3]
    matrix = torch.zeros(n, 2, 3)
    matrix[:, 0, 0], matrix[:, 0, 1] = angle.cos() * size[:, 0], -angle.sin() + shear
    matrix[:, 1, 0], matrix[:, 1, 1] = angle.sin(), angle.cos() * size[:, 1]
    matrix[:, :, 2] = u[:, 4:] * 4 / height
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    ground = images[:, :, :1, :1]  # what moves in from outside looks like the corner
    return F.grid_sample(images - ground, grid, align_corners=False) + ground


def train(data: dict, *, epochs: int, rotate: float, batch: int = 250) -> Classifier:
    """Train with AdamW on a one-cycle schedule, in bf16 where the processor has it."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    x, y = data["train"]
    net = Classifier(len(data["names"]))
    net(pixels(x[:2]))
    net = net.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.05)
    steps = epochs * (len(x) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps, pct_start=0.2)
    start, step = time.time(), 0
    for epoch in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(x), generator=generator)[: len(x) // batch * batch].view(-1, batch):
            images = jitter(pixels(x[rows]), generator, rotate=rotate).to(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                loss = F.cross_entropy(net(images), y[rows], label_smoothing=0.05)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            step, total = step + 1, total + loss.item()
        print(f"epoch {epoch + 1}/{epochs}: loss {total * batch / len(x):.3f}, {time.time() - start:.0f} s", flush=True)
    return net.eval()


@torch.inference_mode()
def predict(net: Classifier, images: Tensor) -> Tensor:
    """Return the class index of each picture, [N] uint8 or [-1, 1] pictures [N, 1, H, W]."""
    return torch.cat([net(pixels(b) if b.dtype == torch.uint8 else b).argmax(1) for b in images.split(500)])


def groups(names: list[str]) -> Tensor:
    """Map each class index to the first index of its look-alike group."""
    first = {c: group[0] for group in LOOK_ALIKES for c in group}
    return torch.tensor([names.index(first[n]) if first.get(n) in names else i for i, n in enumerate(names)])


def accuracy(predicted: Tensor, asked: Tensor, merge: Tensor) -> tuple[float, float]:
    """Return plain accuracy, and accuracy when look-alikes count as one."""
    return (predicted == asked).double().mean().item(), (merge[predicted] == merge[asked]).double().mean().item()


def classifier(path: Path, data: dict, cache: Path, epochs: int | None) -> Classifier:
    """Return the cached classifier of this data file, or train it."""
    file = cache / f"{path.stem}.safetensors"
    net = Classifier(len(data["names"]))
    net(pixels(data["train"][0][:2]))
    if file.is_file():
        net.load_state_dict(load_file(file))
        return net.eval()
    digits = data["held_is"] == "test split"
    net = train(data, epochs=epochs or (8 if digits else 24), rotate=12 if digits else 3)
    cache.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in net.state_dict().items()}, file)
    return net


def spread(images: Tensor, labels: Tensor, classes: int, most: int = 200) -> Tensor:
    """Mean pairwise L2 distance of the pixels in [-1, 1] within each class, [classes] (NaN below two pictures)."""
    out = torch.full((classes,), float("nan"))
    for c in range(classes):
        one = images[labels == c][:most].flatten(1)
        if len(one) > 1:
            out[c] = torch.pdist(one).mean()
    return out


def judge(model, net: Classifier, data: dict, n: int, seed: int) -> dict:
    """Sample ``n`` pictures, balanced over the classes, and measure them."""
    from ganhub import images as pictures

    names = list(model.config.class_names) or [str(i) for i in range(model.config.num_classes)]
    if set(names) != set(data["names"]):
        raise SystemExit(f"The model's classes {names} are not those of the data, {data['names']}.")
    to_data = torch.tensor([data["names"].index(name) for name in names])
    drawn, asked = [], []
    for start in range(0, n, 500):
        label = torch.arange(start, min(start + 500, n)) % len(names)
        sample = model.sample(len(label), label=label.tolist(), seed=seed + start).float().cpu()
        drawn.append(sample.mean(1, keepdim=True))
        asked.append(to_data[label])
    drawn, asked = torch.cat(drawn), torch.cat(asked)
    size = data["train"][0].shape[2:]
    fitted = drawn if drawn.shape[2:] == size else pictures.resize(drawn, tuple(size))
    predicted, merge, count = predict(net, fitted), groups(data["names"]), len(data["names"])
    plain, merged = accuracy(predicted, asked, merge)
    per_class = torch.stack([(predicted[asked == c] == c).double().mean() for c in range(count)])
    shuffled = torch.randperm(len(data["train"][0]), generator=torch.Generator().manual_seed(0))[:20000]
    real = spread(pixels(data["train"][0][shuffled]), data["train"][1][shuffled], count)
    ratio = spread(fitted, asked, count) / real
    worst, least = int(per_class.argmin()), int(ratio.nan_to_num(9).argmin())
    return {
        "samples": n,
        "accuracy": plain,
        "accuracy_look_alikes_as_one": merged,
        "worst_class": data["names"][worst],
        "worst_class_accuracy": per_class[worst].item(),
        "pairwise_distance": spread(fitted, asked, count).nanmean().item(),
        "pairwise_distance_data": real.nanmean().item(),
        "pairwise_distance_ratio": ratio.nanmean().item(),
        "least_varied_class": data["names"][least],
        "least_varied_class_ratio": ratio[least].item(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", help="folder or Hub id of a class-conditional model")
    parser.add_argument("--data", type=Path, required=True, help="npz with train_x and test_x, or with x and font")
    parser.add_argument("--n", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1_000_000, help="seed of the first picture")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache/ganhub/classifiers")
    parser.add_argument("--epochs", type=int, help="of the classifier's training")
    parser.add_argument("--json", action="store_true", help="merge the numbers into MODEL/metrics.json")
    args = parser.parse_args()

    data = read(args.data)
    net = classifier(args.data, data, args.cache, args.epochs)
    ceiling, ceiling_merged = accuracy(predict(net, data["held"][0]), data["held"][1], groups(data["names"]))
    print(f"| classifier of {args.data.name} | accuracy | look-alikes as one |\n|---|---|---|")
    print(f"| real pictures, {data['held_is']} (ceiling) | {ceiling:.4f} | {ceiling_merged:.4f} |", flush=True)
    if not args.model:
        return
    from ganhub import AutoModel
    from ganhub.hub import cards

    model = AutoModel.from_pretrained(args.model)
    result = judge(model, net, data, args.n, args.seed)
    result |= {
        "classifier_accuracy_on_real": ceiling,
        "classifier_accuracy_on_real_look_alikes_as_one": ceiling_merged,
        "accuracy_over_ceiling": result["accuracy"] / ceiling,
    }
    print(f"| {args.model}, {args.n} samples | {result['accuracy']:.4f} | "
          f"{result['accuracy_look_alikes_as_one']:.4f} |\n")  # fmt: skip
    print(f"Accuracy over ceiling {result['accuracy_over_ceiling']:.3f}; worst class {result['worst_class']} "
          f"({result['worst_class_accuracy']:.3f}). Mean pairwise L2 within a class {result['pairwise_distance']:.2f}, "
          f"the data's own {result['pairwise_distance_data']:.2f} (ratio {result['pairwise_distance_ratio']:.3f}; "
          f"least {result['least_varied_class_ratio']:.3f} for {result['least_varied_class']}).")  # fmt: skip
    if args.json:
        result["protocol"] = (
            f"{args.n} samples balanced over the classes, seeds from {args.seed}, truncation 1, read by a small CNN "
            f"trained on real pictures of {args.data.name}; its ceiling: {data['held_is']} (benchmarks/classifiers.py)"
        )
        cards.record(args.model, "classifier", result, model.card_facts())


if __name__ == "__main__":
    main()
