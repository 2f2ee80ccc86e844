package dataset

import (
	"bytes"
	"encoding/binary"
	"io"
)

// upright is the orientation of a picture that is stored as it is looked at.
const upright = 1

// jpegOrientation returns how a JPEG file says that its picture is to be turned, 1 to 8: tag 0x0112 of the first
// directory of its EXIF segment (CIPA DC-008, section 4.6.4). It is 1 where there is none, or one that makes no
// sense: the pictures of such files are fine, and every viewer shows them as they are stored.
func jpegOrientation(r io.Reader) int {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:2]); err != nil || head[0] != 0xff || head[1] != 0xd8 {
		return upright
	}
	for {
		// A segment: 0xff any number of times, the marker, the length with its own two bytes, the content.
		if _, err := io.ReadFull(r, head[:2]); err != nil || head[0] != 0xff {
			return upright
		}
		marker := head[1]
		for marker == 0xff {
			if _, err := io.ReadFull(r, head[1:2]); err != nil {
				return upright
			}
			marker = head[1]
		}
		// From the first frame or scan on there are no more segments that describe the picture.
		if marker < 0xe0 && marker != 0xdb && marker != 0xc4 && marker != 0xdd {
			return upright
		}
		if _, err := io.ReadFull(r, head[2:4]); err != nil {
			return upright
		}
		n := int64(binary.BigEndian.Uint16(head[2:])) - 2
		if n < 0 {
			return upright
		}
		if marker != 0xe1 {
			if _, err := io.CopyN(io.Discard, r, n); err != nil {
				return upright
			}
			continue
		}
		content := make([]byte, n)
		if _, err := io.ReadFull(r, content); err != nil {
			return upright
		}
		if tiff, ok := bytes.CutPrefix(content, []byte("Exif\x00\x00")); ok {
			return tiffOrientation(tiff)
		}
	}
}

// tiffOrientation returns the orientation that the first directory of a TIFF file holds, or 1.
func tiffOrientation(b []byte) int {
	if len(b) < 8 {
		return upright
	}
	var order binary.ByteOrder
	switch string(b[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return upright
	}
	at := int64(order.Uint32(b[4:]))
	if at+2 > int64(len(b)) {
		return upright
	}
	entries := b[at+2:]
	for range order.Uint16(b[at:]) {
		if len(entries) < 12 {
			return upright
		}
		const orientation, short16 = 0x0112, 3
		if order.Uint16(entries) == orientation {
			v := order.Uint16(entries[8:])
			if order.Uint16(entries[2:]) != short16 || order.Uint32(entries[4:]) != 1 || v < 1 || v > 8 {
				return upright
			}
			return int(v)
		}
		entries = entries[12:]
	}
	return upright
}

// turned reports whether an orientation swaps height and width.
func turned(orientation int) bool { return orientation >= 5 }

// turn returns where the pixels of an upright picture are in one of h by w pixels that is stored in that orientation:
// pixel (y,x) at base + y*dy + x*dx.
func turn(orientation, h, w int) (base, dy, dx int) {
	switch orientation {
	case 2: // mirrored
		return w - 1, w, -1
	case 3: // turned by 180 degrees
		return h*w - 1, -w, -1
	case 4: // upside down and mirrored
		return (h - 1) * w, -w, 1
	case 5: // transposed
		return 0, 1, w
	case 6: // to be turned by 90 degrees clockwise
		return (h - 1) * w, 1, -w
	case 7: // transposed along the other diagonal
		return h*w - 1, -1, -w
	case 8: // to be turned by 90 degrees counterclockwise
		return w - 1, -1, w
	}
	return 0, w, 1
}
