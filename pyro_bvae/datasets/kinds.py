"""What a file is by its first bytes, where it is not what its name or its user says, and how to go on."""

from __future__ import annotations

__all__ = ["kind_of", "unread_picture"]

SAVED = "load it in Python and np.savez it"
# where the bytes stand, the bytes, what the file is, and what to do
KINDS: list[tuple[int, bytes, str, str]] = [
    (4, b"ftyphe", "HEIC", "convert it to PNG"),
    (4, b"ftypmif", "HEIC", "convert it to PNG"),
    (4, b"ftypms", "HEIC", "convert it to PNG"),
    (4, b"ftypavi", "AVIF", "convert it to PNG"),
    (4, b"ftyp", "a film", "save its frames as PNG"),
    (0, b"II*\0", "a TIFF of a kind that Pillow does not read, like 64 bits", "save it as float32, or all as one npy"),
    (0, b"MM\0*", "a TIFF of a kind that Pillow does not read, like 64 bits", "save it as float32, or all as one npy"),
    (0, b"II+\0", "a BigTIFF of a kind that Pillow does not read", "save it as a plain TIFF, or all as one npy"),
    (0, b"8BPS", "a drawing of Photoshop", "convert it to PNG"),
    (0, b"%PDF", "a PDF", "convert its pages to PNG"),
    (0, b"<svg", "an SVG", "convert it to PNG"),
    (0, b"<?xml", "XML, maybe an SVG", "convert it to PNG"),
    (0, b"<!DOCTYPE", "a page of the web", "download the file itself"),
    (0, b"<html", "a page of the web", "download the file itself"),
    (0, b"version https://git-lfs", "a pointer of Git LFS", "git lfs pull brings the file itself"),
    (128, b"DICM", "DICOM", "convert it to PNG or TIFF, or all to one npy"),
    (0, b"\x93NUMPY", "an npy file", "name it npy:FILE"),
    (0, b"PK", "a zip or npz", "name it npz:FILE, or unpack it"),
    (0, b"\x1f\x8b", "packed with gzip", "unpack it, or load it in Python and np.savez it"),
    (0, b"BZh", "packed with bzip2", "unpack it"),
    (0, b"\xfd7zXZ", "packed with xz", "unpack it"),
    (0, b"\x89HDF", "HDF5, maybe of MATLAB", SAVED),
    (0, b"MATLAB", "a file of MATLAB", SAVED),
    (0, b"\x80", "a pickle, which may run code and is not read", SAVED),
    (0, b"\x89PNG", "a PNG", "name the folder that holds it: folder:PATH"),
    (0, b"\xff\xd8\xff", "a JPEG", "name the folder that holds it: folder:PATH"),
]
# pictures that Pillow does not read, in short
PICTURES = {
    "HEIC": "HEIC",
    "AVIF": "AVIF",
    "a drawing of Photoshop": "PSD",
    "a PDF": "PDF",
    "an SVG": "SVG",
    "DICOM": "DICOM",
}


def kind_of(start: bytes) -> str:
    r"""What a file is that begins so, and what to do about it; the bytes themselves where that is not known.

    >>> kind_of(b"\x89HDF")
    'it is HDF5, maybe of MATLAB: load it in Python and np.savez it'
    >>> kind_of(b"abc")
    "its kind is not known; it begins with b'abc'"
    """
    known = _known(start)
    if known is not None:
        return f"it is {known[0]}: {known[1]}"
    return f"its kind is not known; it begins with {start[:12]!r}"


def unread_picture(start: bytes) -> str | None:
    r"""Which kind of picture a file is that begins so, and that Pillow did not read; None where it is no picture.

    >>> unread_picture(b"\0\0\0\x18ftypheic"), unread_picture(b"PK")
    ('HEIC', None)
    """
    known = _known(start)
    return None if known is None else PICTURES.get(known[0])


def _known(start: bytes) -> tuple[str, str] | None:
    """What a file is that begins so, and what to do about it."""
    known = ((kind, advice) for place, letters, kind, advice in KINDS if start[place:].startswith(letters))
    return next(known, None)
