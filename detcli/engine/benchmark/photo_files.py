"""Writes seeded photo-like JPEG files in common image sizes."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIZES = [(640, 480), (800, 600), (1024, 768), (1280, 720), (1280, 960), (1920, 1080)]  # width, height


def make_images(folder: Path, count: int, seed: int = 0) -> None:
    """Write `count` JPEGs of quality 90 into the folder: soft gradients, sharp shapes and sensor noise."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    for index in range(count):
        width, height = SIZES[index % len(SIZES)]
        coarse = Image.fromarray(random.integers(0, 256, (9, 12, 3), np.uint8))
        image = coarse.resize((width, height), Image.Resampling.BICUBIC)
        draw = ImageDraw.Draw(image)
        for _ in range(25):
            x, y = random.integers(0, width), random.integers(0, height)
            w, h = random.integers(10, width // 3), random.integers(10, height // 3)
            color = tuple(int(c) for c in random.integers(0, 256, 3))
            (draw.ellipse if random.random() < 0.5 else draw.rectangle)(
                tuple(map(int, (x, y, x + w, y + h))), fill=color
            )
        image = image.filter(ImageFilter.GaussianBlur(0.7))
        noisy = np.asarray(image, np.int16) + random.normal(0, 6, (height, width, 1)).astype(np.int16)
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"{index:05d}.jpg", quality=90)
