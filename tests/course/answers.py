"""Answers to the exercises as a reader may write them: one right, and wrong ones with words of the message they get."""

RIGHT: dict[int, str] = {
    1: """
def slide(x, k):
    y = []
    for i in range(len(x) - len(k) + 1):
        total = 0
        for a in range(len(k)):
            total += k[a] * x[i + a]
        y.append(total)
    return y
""",
}

WRONG: list[tuple[int, str, str]] = [
    (1, "lacks the last place", "def slide(x, k): return np.correlate(x, k)[:-1]"),
    (1, "row was padded", "def slide(x, k): return np.correlate(np.pad(x, ((len(k) - 1) // 2, len(k) // 2)), k)"),
    (1, "kernel is flipped", "def slide(x, k): return np.convolve(x, k, 'valid')"),
    (1, "divided by the kernel's length", "def slide(x, k): return np.correlate(x, k) / len(k)"),
    (1, "The first difference at (0,)", "def slide(x, k): return np.correlate(x, k) + 1"),
]
