"""Images changed one by one, in NumPy: turned, scaled and moved between pixels; and moved by whole pixels."""

import numpy as np

from gpucnn.kernels.interface import Changes


class Warp:
    """Images changed one by one, on the host, where data sets lie: all arrays are NumPy's."""

    def warped(self, images: np.ndarray, maps: np.ndarray, displacements: np.ndarray | None = None) -> np.ndarray:
        """Images (N, C, H, W), uint8 or float32, each by its map (N, 4): new images of the same shape and type.

        A map is the cosine and the sine of the turn, each over the scale, and how far to move down and to the right, in
        pixels; turn and scale are about the centre ((H - 1) / 2, (W - 1) / 2). displacements (N, 2, H, W): how
        much further down and to the right each pixel is sampled. Pixels are interpolated linearly; what lies outside
        an image is 0.
        """
        n, channels, height, width = images.shape
        row, column = _origins(height, width, maps, displacements)  # (N, H, W) each
        top, left = np.floor(row), np.floor(column)
        down, right = row - top, column - left
        # One zero before the image and two after it hold every neighbour of a point in [-1, H] x [-1, W].
        padded = np.pad(images, ((0, 0), (0, 0), (1, 2), (1, 2)))
        stride = width + 3
        corner = (top.astype(np.intp) + 1) * stride + left.astype(np.intp) + 1
        corner += (np.arange(n) * (channels * (height + 3) * stride))[:, None, None]
        weights = ((1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right)
        rounding = np.float32(0.5 if images.dtype == np.uint8 else 0)  # conversion to integers cuts off
        out = np.empty_like(images)
        for channel in range(channels):
            flat = padded.reshape(-1)[channel * (height + 3) * stride :]  # begins with this channel of image 0
            neighbours = (flat[corner + step] for step in (0, 1, stride, stride + 1))
            values = sum(weight * pixels for weight, pixels in zip(weights, neighbours, strict=True))
            out[:, channel] = values + rounding
        return out

    def moved(self, images: np.ndarray, changes: Changes) -> np.ndarray:
        """Images (N, C, H, W) after the changes that move whole pixels: all of them but the maps."""
        if changes.offsets is not None:
            images = crop(images, changes.border, changes.offsets)
        if changes.flips is not None:
            images = np.where(changes.flips[:, None, None, None], images[..., ::-1], images)
        if changes.boxes is not None:
            images = cut_out(images, changes.boxes)
        return images


def _origins(
    height: int, width: int, maps: np.ndarray, displacements: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Row and column, (N, H, W) float32 each, that every pixel of the new images is sampled at.

    The inverse of: turn by the angle, enlarge, then shift, all about the centre; and displaced from there. Clipped to
    one pixel outside the image, where all is 0.
    """
    middle_row, middle_column = np.float32((height - 1) / 2), np.float32((width - 1) / 2)
    cosine, sine = maps[:, 0, None, None], maps[:, 1, None, None]  # (N, 1, 1)
    down = (np.arange(height, dtype=np.float32) - middle_row - maps[:, 2:3])[:, :, None]  # (N, H, 1)
    right = (np.arange(width, dtype=np.float32) - middle_column - maps[:, 3:4])[:, None, :]  # (N, 1, W)
    row = cosine * down + sine * right + middle_row
    column = cosine * right - sine * down + middle_column
    if displacements is not None:
        row, column = row + displacements[:, 0], column + displacements[:, 1]
    return np.clip(row, -1, height, out=row), np.clip(column, -1, width, out=column)


def crop(images: np.ndarray, padding: int, offset: np.ndarray) -> np.ndarray:
    """Surround images (N, C, H, W) by `padding` zeros and cut H x W out at offset (N, 2)."""
    height, width = images.shape[2:]
    padded = np.pad(images, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
    return windows[np.arange(len(images)), :, offset[:, 0], offset[:, 1]]  # (N, C, H, W)


def cut_out(images: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Set what boxes (N, K, 4), first row and column and those behind the last, cover of images (N, C, H, W) to 0."""
    height, width = images.shape[2:]
    top, left, bottom, right = boxes[:, :, :, None].transpose(2, 0, 1, 3)  # (N, K, 1) each
    rows, columns = np.arange(height), np.arange(width)
    down, across = (rows >= top) & (rows < bottom), (columns >= left) & (columns < right)  # (N, K, H), (N, K, W)
    hidden = (down[..., None] & across[:, :, None]).any(axis=1)  # (N, H, W)
    return np.where(hidden[:, None], images.dtype.type(0), images)
