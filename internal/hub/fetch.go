package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

var errStalled = errors.New("no byte came for too long")

// download is one file on its way.
type download struct {
	c       *Client
	name    string // for messages
	address string
	part    string // the file that grows
	size    int64  // of the whole; -1 if unknown
	sum     sum

	whole   bool   // every byte of the part came in this run
	tag     string // strong entity tag of what the part's bytes came from
	resumed int64
	fetched int64 // bytes that came over the wire
	began   time.Time
	told    time.Time
}

// run brings the part file to its full length and verifies it. It returns the
// file's SHA-256. What a broken connection leaves stays for the next attempt;
// what is complete and wrong is removed.
func (d *download) run(ctx context.Context) (digest string, err error) {
	d.began = time.Now()
	if d.size < 0 {
		// Complete but for its name, when the last pull was killed there.
		if digest, ok, err := d.sum.check(ctx, d.part); err == nil && ok {
			d.size = fileSize(d.part)
			return digest, nil
		}
	}
	for {
		f, err := os.OpenFile(d.part, os.O_RDWR|os.O_CREATE, 0o666)
		if err != nil {
			return "", err
		}
		err = d.fill(ctx, f)
		if err == nil {
			err = f.Sync()
		}
		if e := f.Close(); err == nil {
			err = e
		}
		if err != nil {
			return "", err
		}
		digest, ok, err := d.sum.check(ctx, d.part)
		if err != nil || ok {
			return digest, err
		}
		if err := os.Remove(d.part); err != nil {
			return "", err
		}
		if d.whole {
			return "", fmt.Errorf("%s: wrong checksum: the file has sha256 %s, it should have %s; what came was removed: try again, or another network", d.name, digest, d.sum)
		}
	}
}

// fill downloads until the file is complete.
func (d *download) fill(ctx context.Context, f *os.File) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	at := st.Size()
	if d.size >= 0 && at > d.size {
		at = 0
	}
	d.whole, d.resumed, d.tag = false, at, ""
	if at > 0 && at == d.size {
		return nil
	}
	failures, restarts := 0, 0
	for attempt := 0; ; attempt++ {
		before := at
		at, err = d.attempt(ctx, f, at)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.Is(err, errNoRange) && at > 0 && restarts < 3 {
			at = 0
			restarts++
			continue
		}
		again, least := passing(err)
		if at > before {
			failures = 0
		}
		failures++
		if !again || failures >= d.c.opt.Retries || attempt >= 20*d.c.opt.Retries {
			return err
		}
		if err := d.c.pause(ctx, failures, least); err != nil {
			return err
		}
	}
}

// errNoRange says that the server cannot continue where the file ends.
var errNoRange = errors.New("the server answers a request for a part with another part")

// attempt makes one request for the bytes from at on and writes what comes.
// It returns how long the file is then.
func (d *download) attempt(ctx context.Context, f *os.File, at int64) (int64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(d.c.opt.Stall, func() { cancel(errStalled) })
	defer watch.Stop()
	stalled := func(err error) error {
		if context.Cause(ctx) == errStalled {
			return &transportError{d.name, errStalled}
		}
		return err
	}

	header := make(http.Header)
	if at > 0 {
		header.Set("Range", "bytes="+strconv.FormatInt(at, 10)+"-")
		if d.tag != "" {
			header.Set("If-Range", d.tag)
		}
	}
	resp, err := d.c.request(ctx, http.MethodGet, d.address, header, nil)
	if err != nil {
		return at, stalled(err)
	}
	defer resp.Body.Close()
	if e := resp.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return at, fmt.Errorf("%s: comes compressed (%.20s), which was not asked for", d.name, e)
	}
	switch resp.StatusCode {
	case http.StatusRequestedRangeNotSatisfiable:
		drain(resp)
		return at, errNoRange
	case http.StatusPartialContent:
		from, total, err := contentRange(resp.Header.Get("Content-Range"))
		tag := resp.Header.Get("ETag")
		if err != nil || from != at || at == 0 || d.size >= 0 && total >= 0 && total != d.size || d.tag != "" && tag != "" && tag != d.tag {
			return at, errNoRange
		}
		if d.size < 0 {
			d.size = total
		}
	default: // the whole, asked for or not
		at = 0
		d.whole, d.resumed = true, 0
		if resp.ContentLength >= 0 {
			if d.size >= 0 && resp.ContentLength != d.size {
				return at, fmt.Errorf("%s: has %d bytes, it should have %d", d.name, resp.ContentLength, d.size)
			}
			d.size = resp.ContentLength
		}
	}
	if d.size > d.c.opt.MaxBytes {
		return at, d.c.tooLarge(d.name, d.size)
	}
	if d.tag = resp.Header.Get("ETag"); strings.HasPrefix(d.tag, "W/") {
		d.tag = ""
	}
	if err := f.Truncate(at); err != nil {
		return at, err
	}
	if _, err := f.Seek(at, io.SeekStart); err != nil {
		return at, err
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := resp.Body.Read(buf)
		if n > 0 {
			watch.Reset(d.c.opt.Stall)
			if limit := d.limit(); at+int64(n) > limit {
				return at, fmt.Errorf("%s: more than the %d bytes it should have", d.name, limit)
			}
			if _, err := f.Write(buf[:n]); err != nil {
				return at, err
			}
			at += int64(n)
			d.fetched += int64(n)
			d.tell(at, false)
		}
		if err != nil && err != io.EOF {
			return at, stalled(&transportError{d.name, err})
		}
		if err == io.EOF {
			if d.size >= 0 && at < d.size {
				return at, &transportError{d.name, io.ErrUnexpectedEOF}
			}
			d.size = at
			d.tell(at, true)
			return at, nil
		}
	}
}

func (d *download) limit() int64 {
	if d.size >= 0 {
		return d.size
	}
	return d.c.opt.MaxBytes
}

// tell reports progress.
func (d *download) tell(at int64, last bool) {
	now := time.Now()
	if d.c.opt.Progress == nil || !last && now.Sub(d.told) < time.Second/10 {
		return
	}
	d.told = now
	p := Progress{Name: d.name, Done: at, Total: max(d.size, 0), Resumed: d.resumed}
	if t := now.Sub(d.began).Seconds(); t > 0 {
		p.Rate = float64(d.fetched) / t
	}
	d.c.opt.Progress(p)
}

// contentRange reads "bytes 100-199/200"; a total of "*" is -1.
func contentRange(v string) (from, total int64, err error) {
	bad := fmt.Errorf("range %.60q", v)
	rest, ok := strings.CutPrefix(v, "bytes ")
	span, all, ok2 := strings.Cut(rest, "/")
	first, last, ok3 := strings.Cut(span, "-")
	if !ok || !ok2 || !ok3 {
		return 0, 0, bad
	}
	from, err1 := strconv.ParseInt(first, 10, 64)
	to, err2 := strconv.ParseInt(last, 10, 64)
	total = -1
	var err3 error
	if all != "*" {
		total, err3 = strconv.ParseInt(all, 10, 64)
	}
	if err1 != nil || err2 != nil || err3 != nil || from < 0 || to < from || total >= 0 && total <= to {
		return 0, 0, bad
	}
	return from, total, nil
}

func fileSize(path string) int64 {
	st, err := os.Stat(path)
	if err != nil {
		return -1
	}
	return st.Size()
}
