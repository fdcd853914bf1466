"""Colors that readers with any color vision distinguish.

Source: Okabe and Ito, Color Universal Design, 2008.
"""

from detcli.visualization.colors import Color

ORANGE: Color = (230, 159, 0)
SKY_BLUE: Color = (86, 180, 233)
GREEN: Color = (0, 158, 115)
YELLOW: Color = (240, 228, 66)
BLUE: Color = (0, 114, 178)
VERMILION: Color = (213, 94, 0)
PURPLE: Color = (204, 121, 167)


def as_hex(color: Color) -> str:
    """A color as matplotlib takes it: "#rrggbb"."""
    return "#{:02x}{:02x}{:02x}".format(*color)
