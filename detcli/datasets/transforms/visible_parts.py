"""The parts of boxes that stay visible where rectangles of another image are pasted."""

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_Edges = npt.NDArray[np.float64]


def visible_parts(boxes: Boxes, rectangles: Ints, *, inside: bool) -> tuple[Boxes, npt.NDArray[np.float64]]:
    """The box around the visible part of each box, and the visible fraction of its area.

    boxes       float64 [N, 4] xyxy
    rectangles  int64 [R, 4] xyxy, at least one; they may overlap
    inside      what is inside of a rectangle is visible: the boxes are of the pasted image; else what is outside of all of
                them
    returns     float64 [N, 4], unchanged where nothing or all is visible, and float64 [N]
    """
    parts, shares = boxes.copy(), np.full(len(boxes), 0.0 if inside else 1.0)
    sides = np.minimum(boxes[:, None, 2:], rectangles[:, 2:]) - np.maximum(boxes[:, None, :2], rectangles[:, :2])
    overlaps = sides.min(axis=2).max(axis=1) > 0  # [N]: with any rectangle, in both directions
    for row in np.flatnonzero(overlaps).tolist():
        parts[row], shares[row] = _visible_part(boxes[row], rectangles, inside=inside)
    return parts, shares


def _visible_part(box: Boxes, rectangles: Ints, *, inside: bool) -> tuple[Boxes, float]:
    """The same of one box [4], which is cut into cells at the edges of the rectangles."""
    columns, rows = (_cell_edges(box[axis::2], rectangles[:, axis::2]) for axis in (0, 1))
    center_x, center_y = (columns[:-1] + columns[1:]) / 2, (rows[:-1] + rows[1:]) / 2
    left, top, right, bottom = rectangles.T[:, :, None]
    in_columns = (center_x > left) & (center_x < right)  # [R, columns]
    in_rows = (center_y > top) & (center_y < bottom)  # [R, rows]
    pasted = (in_rows[:, :, None] & in_columns[:, None]).any(axis=0)
    shown = pasted if inside else ~pasted
    areas = np.outer(np.diff(rows), np.diff(columns))
    (shown_rows,), (shown_columns,) = np.nonzero(shown.any(axis=1)), np.nonzero(shown.any(axis=0))
    if not len(shown_rows):
        return box, 0.0
    part = [columns[shown_columns[0]], rows[shown_rows[0]], columns[shown_columns[-1] + 1], rows[shown_rows[-1] + 1]]
    return np.array(part), float(areas[shown].sum() / areas.sum())


def _cell_edges(side: _Edges, rectangles: Ints) -> _Edges:
    """The ends of a side of a box, and the edges of rectangles between them, in ascending order."""
    return np.unique(np.concatenate((side, np.clip(rectangles.ravel(), *side))))
