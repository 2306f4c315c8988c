"""What a step calls; every project gets a copy. The truth table edits this file."""

from __future__ import annotations

import numpy as np


def scale(columns: np.ndarray) -> np.ndarray:
    return (columns - columns.mean(axis=0)) / columns.std(axis=0)


def widen(table: np.ndarray) -> np.ndarray:
    """Scaled columns, their squares and a constant; the label stays the last column."""
    columns = scale(table[:, :-1])
    return np.column_stack([columns, columns**2, np.ones(len(table)), table[:, -1]])


def fit(rows: np.ndarray, rounds: int = 50) -> list[float]:
    """Logistic regression by gradient descent: small, and the same numbers in every tool."""
    columns, label = rows[:, :-1], rows[:, -1]
    weights = np.zeros(columns.shape[1])
    for _ in range(rounds):
        predicted = 1 / (1 + np.exp(-columns @ weights))
        weights -= 0.5 * columns.T @ (predicted - label) / len(label)
    return [round(float(weight), 6) for weight in weights]
