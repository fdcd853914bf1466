from itertools import pairwise

from detcli.visualization.colors import Color, color, text_color


def luminance(ink: Color) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (channel / 255 for channel in ink)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_class_has_one_color_and_eighty_have_eighty() -> None:
    assert color(7) == color(7)
    assert len({color(class_id) for class_id in range(80)}) == 80


def test_consecutive_classes_have_distinct_colors() -> None:
    for one, other in pairwise(color(class_id) for class_id in range(400)):
        assert sum(abs(a - b) for a, b in zip(one, other, strict=True)) > 120


def test_text_is_readable_on_every_color() -> None:
    for class_id in range(400):
        ground, text = luminance(color(class_id)), luminance(text_color(color(class_id)))
        low, high = sorted((ground, text))
        assert (high + 0.05) / (low + 0.05) > 4.5  # WCAG 2, level AA
