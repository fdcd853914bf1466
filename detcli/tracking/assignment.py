"""Exact linear assignment by shortest augmenting paths; each pair has a gain, and rows may stay without a pair.

scipy has a solver too, but it is only installed with the extra for training.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


def best_pairs(gains: Floats) -> tuple[Indices, Indices]:
    """Pair rows and columns one to one with the maximum sum of gains; pairs without a gain are left out.

    gains    [N, M]  finite; pairs with 0 or less are left out
    returns  rows [P] in ascending order, and the column of each

    Raises ValueError where a gain is not finite.
    Source: Jonker and Volgenant 1987, without their initialization: few rows have more than one possible column.
    """
    if not np.isfinite(gains).all():
        raise ValueError("a gain is not a finite number")
    possible = gains > 0
    column_of = np.full(len(gains), -1, np.int64)
    only_choice = possible & (possible.sum(axis=1, keepdims=True) == 1) & (possible.sum(axis=0, keepdims=True) == 1)
    rows, columns = np.nonzero(only_choice)  # of the row and of the column
    column_of[rows] = columns
    rows = np.flatnonzero(possible.any(axis=1) & (column_of < 0))
    columns = np.flatnonzero(possible[rows].any(axis=0))
    if len(rows):
        costs = -np.where(possible, gains, 0.0)[np.ix_(rows, columns)]
        is_wide = len(rows) <= len(columns)
        partners = _least_cost(costs if is_wide else costs.T)
        paired_rows, paired_columns = (
            (np.arange(len(rows)), partners) if is_wide else (partners, np.arange(len(columns)))
        )
        useful = costs[paired_rows, paired_columns] < 0
        column_of[rows[paired_rows[useful]]] = columns[paired_columns[useful]]
    rows = np.flatnonzero(column_of >= 0)
    return rows, column_of[rows]


def _least_cost(costs: Floats) -> Indices:
    """The column of each row with the minimum sum of costs [N, M]; N is at most M, and every row gets a column.

    For each row: the shortest path, in reduced costs, to a free column; the pairs along the path change.
    """
    count, width = costs.shape
    row_potentials, column_potentials = np.zeros(count), np.zeros(width)
    row_of = np.full(width, -1, np.int64)
    for start in range(count):
        distances = np.full(width, np.inf)
        before = np.full(width, -1, np.int64)  # the previous column of the path; -1: the path's first row
        done = np.zeros(width, np.bool_)
        row, column, length = start, -1, 0.0
        while row >= 0:
            steps = length + costs[row] - row_potentials[row] - column_potentials
            shorter = ~done & (steps < distances)
            distances[shorter], before[shorter] = steps[shorter], column
            column = int(np.where(done, np.inf, distances).argmin())
            length, row = float(distances[column]), int(row_of[column])
            done[column] = True
        reduction = length - distances[done]
        column_potentials[done] -= reduction
        owned = row_of[done] >= 0
        row_potentials[row_of[done][owned]] += reduction[owned]
        row_potentials[start] += length
        while column >= 0:
            previous = int(before[column])
            row_of[column] = start if previous < 0 else row_of[previous]
            column = previous
    column_of = np.empty(count, np.int64)
    taken = np.flatnonzero(row_of >= 0)
    column_of[row_of[taken]] = taken
    return column_of
