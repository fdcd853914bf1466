"""The best pairing of two sets, exactly: shortest augmenting paths, where each pair brings a gain and nobody must be paired.

scipy has a solver too, but comes only with the extra that training needs.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]


def best_pairs(gains: Floats) -> tuple[Places, Places]:
    """Pair rows with columns one to one so that the sum of gains is most; pairs that bring no gain are not made.

    gains    [N, M]  finite; what is not above 0 is never paired
    returns  rows [P] in rising order, and the column of each

    Raises ValueError where a gain is not finite.
    Source: Jonker and Volgenant 1987, without their initialisation; most rows that have a choice at all are few.
    """
    if not np.isfinite(gains).all():
        raise ValueError("a gain is not a finite number")
    worth = gains > 0
    column_of = np.full(len(gains), -1, np.int64)
    alone = worth & (worth.sum(axis=1, keepdims=True) == 1) & (worth.sum(axis=0, keepdims=True) == 1)
    rows, columns = np.nonzero(alone)  # each the only choice of the other
    column_of[rows] = columns
    rows = np.flatnonzero(worth.any(axis=1) & (column_of < 0))
    columns = np.flatnonzero(worth[rows].any(axis=0))
    if len(rows):
        costs = -np.where(worth, gains, 0.0)[np.ix_(rows, columns)]
        few = len(rows) <= len(columns)
        partners = _least_cost(costs if few else costs.T)
        ours, theirs = (np.arange(len(rows)), partners) if few else (partners, np.arange(len(columns)))
        paid = costs[ours, theirs] < 0
        column_of[rows[ours[paid]]] = columns[theirs[paid]]
    rows = np.flatnonzero(column_of >= 0)
    return rows, column_of[rows]


def _least_cost(costs: Floats) -> Places:
    """The column of each row so that the sum of costs [N, M] is least; N is at most M, and every row gets one.

    Row by row: the shortest path, in costs less potentials, to a column that is still free; along it the pairs change.
    """
    count, width = costs.shape
    row_potentials, column_potentials = np.zeros(count), np.zeros(width)
    row_of = np.full(width, -1, np.int64)
    for start in range(count):
        distances = np.full(width, np.inf)
        before = np.full(width, -1, np.int64)  # the column that the path comes from; -1: from the row it starts at
        done = np.zeros(width, np.bool_)
        row, column, length = start, -1, 0.0
        while row >= 0:
            steps = length + costs[row] - row_potentials[row] - column_potentials
            shorter = ~done & (steps < distances)
            distances[shorter], before[shorter] = steps[shorter], column
            column = int(np.where(done, np.inf, distances).argmin())
            length, row = float(distances[column]), int(row_of[column])
            done[column] = True
        saved = length - distances[done]
        column_potentials[done] -= saved
        owned = row_of[done] >= 0
        row_potentials[row_of[done][owned]] += saved[owned]
        row_potentials[start] += length
        while column >= 0:
            previous = int(before[column])
            row_of[column] = start if previous < 0 else row_of[previous]
            column = previous
    column_of = np.empty(count, np.int64)
    taken = np.flatnonzero(row_of >= 0)
    column_of[row_of[taken]] = taken
    return column_of
