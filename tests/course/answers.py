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
    2: """
def output_size(W, K, S, P, D):
    reach = D * (K - 1) + 1
    return len([start for start in range(0, W + 2 * P, S) if start + reach <= W + 2 * P])
""",
    3: """
def convolve(x, k):
    A, B = k.shape
    z = np.empty((x.shape[0] - A + 1, x.shape[1] - B + 1))
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            z[i, j] = sum(k[a, b] * x[i + A - 1 - a, j + B - 1 - b] for a in range(A) for b in range(B))
    return z
""",
    4: """
def im2col(x, K, S):
    view = np.lib.stride_tricks.sliding_window_view(x, (K, K), axis=(1, 2))[:, ::S, ::S]
    return view.transpose(0, 3, 4, 1, 2).reshape(x.shape[0] * K * K, -1)
""",
    5: """
def gradients(x, k, g, S, P):
    gx, gk = [0.0] * (len(x) + 2 * P), [0.0] * len(k)
    padded = [0.0] * P + list(x) + [0.0] * P
    for i in range(len(g)):
        for a in range(len(k)):
            gk[a] += g[i] * padded[S * i + a]
            gx[S * i + a] += g[i] * k[a]
    return np.array(gx[P : P + len(x)]), np.array(gk)
""",
    6: """
def pool_gradient(x, g):
    result = np.zeros(x.shape)
    for i in range(g.shape[0]):
        for j in range(g.shape[1]):
            best = (2 * i, 2 * j)
            for place in [(2 * i, 2 * j + 1), (2 * i + 1, 2 * j), (2 * i + 1, 2 * j + 1)]:
                if x[place] > x[best]:
                    best = place
            result[best] = g[i, j]
    return result
""",
    7: """
def cross_entropy(z, labels):
    z = z - np.max(z, axis=1)[:, None]
    p = np.exp(z) / np.sum(np.exp(z), axis=1)[:, None]
    one_hot = np.eye(z.shape[1])[labels]
    return -np.mean(np.sum(one_hot * np.log(p), axis=1)), (p - one_hot) / len(z)
""",
    8: """
def slopes(records, count):
    grad = [0.0] * (count - 1) + [1.0]
    for result, source, slope in records[::-1]:
        grad[source] = grad[source] + slope * grad[result]
    return grad
""",
    9: """
def batch_norm(x, gamma, beta, epsilon):
    y = np.empty(x.shape)
    for c in range(x.shape[1]):
        mean = np.mean(x[:, c])
        variance = np.mean((x[:, c] - mean) ** 2)
        y[:, c] = gamma[c] * (x[:, c] - mean) / (variance + epsilon) ** 0.5 + beta[c]
    return y
""",
    10: """
def receptive_field(layers):
    size, step = 1, 1
    for kernel, stride in layers:
        size, step = size + (kernel - 1) * step, step * stride
    return size, step
""",
    11: """
def c3_parameters(table, K):
    total = 0
    for maps in table:
        total += K * K * len(maps)
        total += 1
    return total
""",
    12: """
def dead_units(sums):
    return np.max(np.maximum(sums, 0), axis=0) == 0
""",
    13: """
def depthwise(x, d):
    C, K, _ = d.shape
    y = np.zeros((C, x.shape[1] - K + 1, x.shape[2] - K + 1))
    for c, i, j in np.ndindex(*y.shape):
        y[c, i, j] = (d[c] * x[c, i : i + K, j : j + K]).sum()
    return y
""",
    14: """
def place(n, c, i, j, N, C, H, W):
    return c * H * W * N + i * W * N + j * N + n
""",
}

STABLE = ("z - z.max(1, keepdims=True)", "1")  # scores before the softmax, and its axis
MEAN, ROOT = "x.mean((0, 2, 3), keepdims=True)", "np.sqrt(x.var((0, 2, 3), keepdims=True) + epsilon)"
SCALED = "gamma[:, None, None] * (x - mean) / below + beta[:, None, None]"

WRONG: list[tuple[int, str, str]] = [
    (1, "lacks the last place", "def slide(x, k): return np.correlate(x, k)[:-1]"),
    (1, "row was padded", "def slide(x, k): return np.correlate(np.pad(x, ((len(k) - 1) // 2, len(k) // 2)), k)"),
    (1, "kernel is flipped", "def slide(x, k): return np.convolve(x, k, 'valid')"),
    (1, "divided by the kernel's length", "def slide(x, k): return np.correlate(x, k) / len(k)"),
    (1, "The first difference at (0,)", "def slide(x, k): return np.correlate(x, k) + 1"),
    (2, "forgets the padding", "def output_size(W, K, S, P, D): return (W - D * (K - 1) - 1) // S + 1"),
    (2, "adds P once", "def output_size(W, K, S, P, D): return (W + P - D * (K - 1) - 1) // S + 1"),
    (2, "one too small", "def output_size(W, K, S, P, D): return (W + 2 * P - D * (K - 1) - 1) // S"),
    (2, "rounds up", "def output_size(W, K, S, P, D): return np.ceil((W + 2 * P - D * (K - 1) - 1) / S) + 1"),
    (2, "does not round", "def output_size(W, K, S, P, D): return (W + 2 * P - D * (K - 1) - 1) / S + 1"),
    (2, "forgets the dilation", "def output_size(W, K, S, P, D): return (W + 2 * P - K) // S + 1"),
    (2, "window is too long", "def output_size(W, K, S, P, D): return (W + 2 * P - D * K) // S + 1"),
    (2, "expected 28, yours is 29", "def output_size(W, K, S, P, D): return (W + 2 * P - K + 1) // S + 1"),
    *[
        (
            3,
            says,
            f"""
def convolve(x, k):
    k = {turned}
    A, B = k.shape
    y = np.empty((x.shape[0] - A + 1, x.shape[1] - B + 1))
    for i, j in np.ndindex(*y.shape):
        y[i, j] = (k * x[i : i + A, j : j + B]).sum()
    return y
""",
        )
        for says, turned in [
            ("kernel is not flipped", "k"),
            ("from top to bottom only", "np.flipud(k)"),
            ("from left to right only", "np.fliplr(k)"),
            ("transposed (rows became columns)", "np.transpose(k)"),
            ("not right yet. The first difference", "np.rot90(k)"),
        ]
    ],
    (
        3,
        "picture was padded",
        """
def convolve(x, k):
    z = np.zeros((x.shape[0] + k.shape[0] - 1, x.shape[1] + k.shape[1] - 1))
    for (a, b), value in np.ndenumerate(k):
        z[a : a + x.shape[0], b : b + x.shape[1]] += value * x
    return z
""",
    ),
    *[
        (
            4,
            says,
            f"""
def im2col(x, K, S):
    C, (h, w) = len(x), [(size - K) // S + 1 for size in x.shape[1:]]
    rows = [[x[c, S * i + a, S * j + b] for {places}] for {taps}]
    return {result}
""",
        )
        for says, places, taps, result in [
            (
                "Rows and columns are exchanged",
                "i in range(h) for j in range(w)",
                "c in range(C) for a in range(K) for b in range(K)",
                "np.transpose(rows)",
            ),
            (
                "in the order (a, b, c)",
                "i in range(h) for j in range(w)",
                "a in range(K) for b in range(K) for c in range(C)",
                "rows",
            ),
            (
                "in the order (c, b, a)",
                "i in range(h) for j in range(w)",
                "c in range(C) for b in range(K) for a in range(K)",
                "rows",
            ),
            (
                "run down the picture",
                "j in range(w) for i in range(h)",
                "c in range(C) for a in range(K) for b in range(K)",
                "rows",
            ),
        ]
    ],
    (
        4,
        "The stride is forgotten",
        """
def im2col(x, K, S):
    h, w = x.shape[1] - K + 1, x.shape[2] - K + 1
    return [x[c, a : a + h, b : b + w].reshape(-1) for c in range(len(x)) for a in range(K) for b in range(K)]
""",
    ),
    *[
        (
            5,
            says,
            f"""
def gradients(x, k, g, S, P):
    padded = np.pad(x, P)
    gx, gk = np.zeros(len(padded)), np.zeros(len(k))
    for i in range(len(g)):
        for a in range(len(k)):
            gk[a] += g[i] * padded[{place}]
            gx[{place}] {adds} g[i] * k[{tap}]
    return {result}
""",
        )
        for says, place, adds, tap, result in [
            ("still holds the padding", "S * i + a", "+=", "a", "gx, gk"),
            ("cut at the wrong place", "S * i + a", "+=", "a", "gx[: len(x)], gk"),
            ("kernel is flipped", "S * i + a", "+=", "-1 - a", "gx[P : P + len(x)], gk"),
            ("gradient by k is a mean", "S * i + a", "+=", "a", "gx[P : P + len(x)], gk / len(g)"),
            ("add with +=", "S * i + a", "=", "a", "gx[P : P + len(x)], gk"),
            ("stride is forgotten", "i + a", "+=", "a", "gx[P : P + len(x)], gk"),
            ("gradients are exchanged", "S * i + a", "+=", "a", "gk, gx[P : P + len(x)]"),
            ("Expected 2 results, you return 1", "S * i + a", "+=", "a", "gx"),
        ]
    ],
    *[
        (
            6,
            says,
            f"""
def pool_gradient(x, g):
    result = np.zeros(x.shape)
    for i, j in np.ndindex(*g.shape):
        best = None
        for a, b in {order}:
            place = (2 * i + a, 2 * j + b)
            if best is None or x[place] {better} x[best]:
                best = place
        result[best] = g[i, j]{factor}
    return result
""",
        )
        for says, order, better, factor in [
            ("the last wins", "np.ndindex(2, 2)", ">=", ""),
            ("further left wins", "[(0, 0), (1, 0), (0, 1), (1, 1)]", ">", ""),
            ("multiply by the winner's value", "np.ndindex(2, 2)", ">", " * x[best]"),
            ("The first difference", "np.ndindex(2, 2)", "<", ""),
        ]
    ],
    *[
        (
            6,
            says,
            f"""
def pool_gradient(x, g):
    result = np.zeros(x.shape)
    for i, j in np.ndindex(*g.shape):
        window = x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        mask = window == window.max()
        result[2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = {value}
    return result
""",
        )
        for says, value in [
            ("Ties are counted twice", "mask * g[i, j]"),
            ("Equal numbers share g", "mask * g[i, j] / mask.sum()"),
            ("This is average pooling", "g[i, j] / 4"),
        ]
    ],
    *[
        (
            7,
            says,
            f"""
def cross_entropy(z, labels):
    N, hot = len(z), np.eye(z.shape[1])[labels]
    z = {scores}
    p = np.exp(z) / np.exp(z).sum({axis}, keepdims=True)
    return {loss}, {gradient}
""",
        )
        for says, scores, axis, loss, gradient in [
            (
                "Loss and gradient are sums",
                *STABLE,
                "-np.log((p * hot).sum(1)).sum()",
                "p - hot",
            ),
            ("gradient belongs to the sum", *STABLE, "-np.log((p * hot).sum(1)).mean()", "p - hot"),
            ("The gradient is p alone", *STABLE, "-np.log((p * hot).sum(1)).mean()", "p / N"),
            ("sign of the loss", *STABLE, "np.log((p * hot).sum(1)).mean()", "(p - hot) / N"),
            ("sign of the gradient", *STABLE, "-np.log((p * hot).sum(1)).mean()", "(hot - p) / N"),
            ("fails for large scores", "z", "1", "-np.log((p * hot).sum(1)).mean()", "(p - hot) / N"),
            (
                "runs down the columns",
                "z - z.max(0, keepdims=True)",
                "0",
                "-np.log((p * hot).sum(1)).mean()",
                "(p - hot) / N",
            ),
            ("base 2", *STABLE, "-np.log2((p * hot).sum(1)).mean()", "(p - hot) / N"),
            ("The shape of result 2 is (2,)", *STABLE, "-np.log((p * hot).sum(1)).mean()", "(p - hot).sum(1)"),
        ]
    ],
    *[
        (
            8,
            says,
            f"""
def slopes(records, count):
    grad = {start}
    grad[-1] = {last}
    for result, source, slope in {order}:
        grad[source] {change}
    return grad
""",
        )
        for says, start, last, order, change in [
            ("add with +=", "[0] * count", "1", "records[::-1]", "= grad[result] * slope"),
            ("walk the records forward", "[0] * count", "1", "records", "+= grad[result] * slope"),
            ("(chain rule)", "[0] * count", "1", "records[::-1]", "+= slope"),
            ("All gradients begin at 1", "[1] * count", "1", "records[::-1]", "+= grad[result] * slope"),
            ("All are zero", "[0] * count", "0", "records[::-1]", "+= grad[result] * slope"),
        ]
    ],
    *[
        (
            9,
            says,
            f"""
def batch_norm(x, gamma, beta, epsilon):
    mean = {mean}
    below = {below}
    return {result}
""",
        )
        for says, mean, below, result in [
            (says, f"x.mean({axis}, keepdims=True)", f"np.sqrt(x.var({axis}, keepdims=True) + epsilon)", SCALED)
            for says, axis in [
                ("over the pictures only", "0"),
                ("(layer norm)", "(1, 2, 3)"),
                ("(instance norm)", "(2, 3)"),
                ("share one mean", "None"),
            ]
        ]
        + [
            ("divided by m - 1", MEAN, "np.sqrt(x.var((0, 2, 3), keepdims=True, ddof=1) + epsilon)", SCALED),
            ("added to the root", MEAN, "x.std((0, 2, 3), keepdims=True) + epsilon", SCALED),
            ("divide by the variance", MEAN, "x.var((0, 2, 3), keepdims=True) + epsilon", SCALED),
            ("mean is not taken away", MEAN, ROOT, SCALED.replace("(x - mean)", "x")),
            ("gamma and beta are forgotten", MEAN, ROOT, "(x - mean) / below"),
        ]
    ],
    *[
        (
            10,
            says,
            f"""
def receptive_field(layers):
    size, jump = {begin}, 1
    for K, S in {order}:
        {first}
        {second}
    return size, jump
""",
        )
        for says, begin, order, first, second in [
            ("jump is forgotten", "1", "layers", "size += K - 1", "jump *= S"),
            ("change the jump too early", "1", "layers", "jump *= S", "size += (K - 1) * jump"),
            ("K - 1 steps between them", "1", "layers", "size += K * jump", "jump *= S"),
            ("Begin with size 1", "0", "layers", "size += (K - 1) * jump", "jump *= S"),
            ("Jumps multiply", "1", "layers", "size += (K - 1) * jump", "jump += S - 1"),
            ("begin at the pixels", "1", "reversed(layers)", "size += (K - 1) * jump", "jump *= S"),
        ]
    ],
    *[
        (11, says, f"def c3_parameters(table, K): return {count}")
        for says, count in [
            ("a bias for every connection", "sum(len(maps) * (K * K + 1) for maps in table)"),
            ("biases are forgotten", "sum(K * K * len(maps) for maps in table)"),
            ("count all connections", "len(table) * (K * K * (max(map(max, table)) + 1) + 1)"),
            ("count one kernel", "sum(K * K + 1 for maps in table)"),
            ("one bias for the whole layer", "1 + sum(K * K * len(maps) for maps in table)"),
            ("has K · K weights", "sum(K * len(maps) + 1 for maps in table)"),
        ]
    ],
    *[
        (12, says, f"def dead_units(sums): return {result}")
        for says, result in [
            ("as soon as one does", "np.min(sums, axis=0) <= 0"),
            ("along the wrong axis", "np.max(sums, axis=1) <= 0"),
            ("units that are alive", "np.max(sums, axis=0) > 0"),
            ("a negative sum gives 0, too", "np.abs(sums).sum(axis=0) == 0"),
            ("A sum of exactly 0", "np.max(sums, axis=0) < 0"),
            ("negative mean may be alive", "np.sum(sums, axis=0) <= 0"),
            ("how many units are dead", "sum(np.max(sums, axis=0) <= 0)"),
        ]
    ],
    *[
        (
            13,
            says,
            f"""
def depthwise(x, d):
    {before}
    C, K, _ = d.shape
    y = np.zeros((C, x.shape[1] - K + 1, x.shape[2] - K + 1))
    for c, i, j in np.ndindex(*y.shape):
        y[c, i, j] = ({window} * x[{channel}, i : i + K, j : j + K]).sum()
    return {result}
""",
        )
        for says, before, window, channel, result in [
            ("channels are added up", "", "d[c]", "c", "y.sum(0)"),
            ("seen through d[0]", "", "d[0]", "c", "y"),
            ("Each window sees all channels", "", "d[c]", ":", "y"),
            ("windows are flipped", "", "np.rot90(d[c], 2)", "c", "y"),
            (
                "picture was padded",
                "P = len(d[0]); x = np.pad(x, ((0, 0), *[((P - 1) // 2, P // 2)] * 2))",
                "d[c]",
                "c",
                "y",
            ),
        ]
    ],
    *[
        (14, says, f"def place(n, c, i, j, N, C, H, W): return {result}")
        for says, result in [
            ("order (N, C, H, W)", "n * C * H * W + c * H * W + i * W + j"),
            ("order (N, H, W, C)", "n * C * H * W + i * W * C + j * C + c"),
            ("Rows and columns are exchanged", "c * H * W * N + j * H * N + i * N + n"),
            ("axis that follows", "c * C * H * W + i * H * W + j * W + n"),
            ("count from 1", "c * H * W * N + i * W * N + j * N + n + 1"),
        ]
    ],
]
