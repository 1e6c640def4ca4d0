# SPDX-License-Identifier: MIT
"""Stage 1: a video file becomes upright RGB frames with their true presentation times.

PyAV reads the files. Measured against ``cv2.VideoCapture`` (opencv-python 4.11), two threads each, RGB out, median of
five runs (tests/benchmarks/decoding.py): 812 x 720 H.264 at 779 frames a second and 1.7 ms of processor time a frame
(OpenCV 749, 2.3 ms), 1920 x 1088 at 306 and 5.6 ms (OpenCV 154, 10.3 ms), the same pixels. Both keep
variable frame rates and both can turn rotated videos. OpenCV stands mirrored ones on their head, leaves squeezed
pixels squeezed, does not decode AV1, reads BT.709 colours as BT.601, cannot say why a file does not open, opens no
path outside the system's code page on Windows, and knows nothing of packets, by which a late start is found here
without decoding what comes before it.
"""

from .reading import Frame, VideoFacts, probe, read_frames

__all__ = ["Frame", "VideoFacts", "probe", "read_frames"]
