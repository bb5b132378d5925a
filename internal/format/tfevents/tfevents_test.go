package tfevents_test

import (
	"bytes"
	"encoding/hex"
	"testing"
	"time"

	"github.com/mobilenet-go/mobilenet/internal/format/tfevents"
)

// TestBytes compares with an event file taken apart by hand: the length 24, its
// masked CRC-32C, wall time and "brain.Event:2"; then the scalar.
func TestBytes(t *testing.T) {
	var b bytes.Buffer
	at := time.Unix(1, 500_000_000)
	w, err := tfevents.NewWriter(&b, at)
	if err != nil {
		t.Fatal(err)
	}
	head := b.Len()
	if want := 8 + 4 + 9 + 2 + 13 + 4; head != want {
		t.Fatalf("the first record has %d bytes, want %d", head, want)
	}
	// The length 24 and its checksum are the first twelve bytes of every event
	// file there is.
	if got, want := hex.EncodeToString(b.Bytes()[:12]), "1800000000000000a37f4b22"; got != want {
		t.Errorf("the file begins with %s, want %s", got, want)
	}
	if err := w.Scalars(at, 7, tfevents.Scalar{Tag: "loss", Value: 1.5}); err != nil {
		t.Fatal(err)
	}
	msg := b.Bytes()[head+12 : b.Len()-4]
	want := "09" + "000000000000f83f" + "1007" + "2a0d" + "0a0b" + "0a04" + hex.EncodeToString([]byte("loss")) + "15" + "0000c03f"
	if got := hex.EncodeToString(msg); got != want {
		t.Errorf("message %s, want %s", got, want)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, bytes.ErrTooLarge }

func TestWriteErrors(t *testing.T) {
	if _, err := tfevents.NewWriter(full{}, time.Now()); err == nil {
		t.Error("a failing writer went unnoticed")
	}
}
