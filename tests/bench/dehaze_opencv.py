"""Dark channel prior dehazing as well as OpenCV can do it from Python: what dehaze.py times us against.

uint8 BGR in, uint8 BGR out; patch 15, omega 0.95, t0 0.1, radius 60, eps 1e-4; float32 inside. What
differs is the guided filter:

  gray     cv2.ximgproc.guidedFilter, luma guide
  color   cv2.ximgproc.guidedFilter, uint8 color guide with eps * 255^2 (in [0, 1] OpenCV's result is wrong:
           for eps < 0.01 it replaces small determinants by 1)
  fast     cv2.ximgproc.guidedFilter, luma guide, subsampled by 4 (He, Sun: Fast Guided Filter)

OpenCV reflects the image at the border, where the paper divides by the number of pixels inside.
"""

import threading

import cv2
import numpy as np

PATCH, OMEGA, T0, RADIUS, EPS = 15, 0.95, 0.1, 60, 1e-4
KERNEL = np.ones((PATCH, PATCH), np.uint8)


def airlight(image, dark):
    """Brightest pixel, BGR in [0, 255], among the top 0.1 % of the dark channel, ties included."""
    count = max(1, dark.size // 1000)
    histogram = cv2.calcHist([dark], [0], None, [256], [0, 256]).ravel()
    threshold = int(np.flatnonzero(histogram[::-1].cumsum() >= count)[0])
    candidates = image.reshape(-1, 3)[np.flatnonzero(dark.ravel() >= 255 - threshold)]
    return candidates[candidates.sum(axis=1, dtype=np.int32).argmax()].astype(np.float64)


def luma(planes):
    """float32 in [0, 1], not rounded."""
    blue, green, red = planes
    gray = cv2.addWeighted(blue, 0.114 / 255.0, green, 0.587 / 255.0, 0.0, dtype=cv2.CV_32F)
    return cv2.addWeighted(gray, 1.0, red, 0.299 / 255.0, 0.0, dtype=cv2.CV_32F)


def refine(image, planes, raw, guide):
    if guide == "color":
        return cv2.ximgproc.guidedFilter(image, raw, RADIUS, EPS * 255.0**2)
    if guide == "fast":
        return cv2.ximgproc.guidedFilter(luma(planes), raw, RADIUS, EPS, None, -1, 0.25)
    return cv2.ximgproc.guidedFilter(luma(planes), raw, RADIUS, EPS)


BUFFERS = threading.local()


def buffers(shape):
    """Planes that a thread uses again for every image of one size: fresh ones cost page faults."""
    if getattr(BUFFERS, "shape", None) != shape:
        BUFFERS.shape = shape
        BUFFERS.bytes = [np.empty(shape, np.uint8) for _ in range(5)]
        BUFFERS.floats = [np.empty(shape, np.float32) for _ in range(4)]
    return BUFFERS.bytes, BUFFERS.floats


def transmissions(image, guide):
    """Planes, airlight in [0, 255], raw and refined transmission."""
    (blue, green, red, low, dark), (scaled, smallest, raw, _) = buffers(image.shape[:2])
    planes = (blue, green, red)
    cv2.split(image, planes)
    cv2.erode(cv2.min(cv2.min(blue, green, low), red, low), KERNEL, dark)
    light = airlight(image, dark)
    cv2.multiply(blue, 1.0 / light[0], smallest, dtype=cv2.CV_32F)
    for plane, a in zip(planes[1:], light[1:]):
        cv2.multiply(plane, 1.0 / a, scaled, dtype=cv2.CV_32F)
        cv2.min(smallest, scaled, smallest)
    cv2.erode(smallest, KERNEL, raw)
    cv2.addWeighted(raw, -OMEGA, raw, 0.0, 1.0, raw)
    return planes, light, raw, refine(image, planes, raw, guide)


def dehaze(image, guide):
    planes, light, _, transmission = transmissions(image, guide)
    _, (scaled, _, _, gain) = buffers(image.shape[:2])
    cv2.divide(1.0, cv2.max(transmission, T0, gain), gain)
    for plane, a in zip(planes, light):
        cv2.subtract(plane, a, scaled, dtype=cv2.CV_32F)
        cv2.add(cv2.multiply(scaled, gain, scaled), a, plane, dtype=cv2.CV_8U)
    return cv2.merge(planes)


def scene(width, height, seed=0):
    """A smooth random picture with a bright, hazy top, uint8 BGR."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (max(2, height // 24), max(2, width // 24), 3), dtype=np.uint8)
    picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    picture += generator.normal(0.0, 6.0, picture.shape).astype(np.float32)
    haze = np.linspace(0.1, 0.8, height, dtype=np.float32)[:, None, None]
    return (picture * haze + 225.0 * (1.0 - haze)).clip(0, 255).astype(np.uint8)


IMAGES = []


def dehaze_at(task):
    index, guide = task
    return dehaze(IMAGES[index], guide)


def one_opencv_thread():
    cv2.setNumThreads(1)
