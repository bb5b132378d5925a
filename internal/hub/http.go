package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// StatusError is an answer that is no file.
type StatusError struct {
	Where string // host and path; never the query, which may be signed
	Code  int
	wait  time.Duration // what Retry-After asks for
}

func (e *StatusError) Error() string {
	s := fmt.Sprintf("%s: %d %s", e.Where, e.Code, http.StatusText(e.Code))
	switch e.Code {
	case http.StatusUnauthorized, http.StatusForbidden:
		s += ": set HF_TOKEN to a token that may read it"
	case http.StatusNotFound:
		s += ": the file is not there (any more)"
	case http.StatusTooManyRequests:
		if e.wait > maxWait {
			s += fmt.Sprintf(": too many requests from here; it asks to wait %v", e.wait)
		}
	}
	return s
}

const (
	maxRedirects = 10
	maxWait      = 2 * time.Minute // a longer Retry-After ends the pull
)

// passing reports that the same request may succeed later, and how long to
// wait at least.
func passing(err error) (bool, time.Duration) {
	var status *StatusError
	if errors.As(err, &status) {
		switch status.Code {
		case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
			http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return status.wait <= maxWait, status.wait
		}
		return false, 0
	}
	var transport *transportError
	return errors.As(err, &transport) && transport.passing(), 0
}

// transportError is a connection that could not be made or broke.
type transportError struct {
	where string
	error
}

func (e *transportError) Error() string { return e.where + ": " + e.error.Error() }
func (e *transportError) Unwrap() error { return e.error }

func (e *transportError) passing() bool {
	var dns *net.DNSError
	if errors.As(e.error, &dns) {
		return !dns.IsNotFound
	}
	return !isCertificate(e.error)
}

// where is an address without what may be secret in it.
func where(u *url.URL) string { return u.Host + u.EscapedPath() }

// request makes one request and follows its redirects until stop is content
// with an answer. The token goes to the endpoint's origin alone. A final
// answer other than 200, 206 and 416 is an error.
func (c *Client) request(ctx context.Context, method, address string, header http.Header, stop func(*http.Response) bool) (*http.Response, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	for range maxRedirects {
		req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
		if err != nil {
			return nil, err
		}
		for k, v := range header {
			req.Header[k] = v
		}
		req.Header.Set("User-Agent", "mobilenet-go")
		req.Header.Set("Accept-Encoding", "identity")
		if c.mayHaveToken(u) {
			req.Header.Set("Authorization", "Bearer "+c.opt.Token)
		}
		resp, err := c.opt.Transport.RoundTrip(req)
		if err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			return nil, &transportError{where(u), err}
		}
		if stop != nil && stop(resp) {
			return resp, nil
		}
		switch resp.StatusCode {
		case http.StatusOK, http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable:
			return resp, nil
		case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		default:
			drain(resp)
			return nil, &StatusError{Where: where(u), Code: resp.StatusCode, wait: retryAfter(resp.Header.Get("Retry-After"), time.Now())}
		}
		drain(resp)
		next, err := u.Parse(resp.Header.Get("Location"))
		if err != nil || resp.Header.Get("Location") == "" {
			return nil, fmt.Errorf("%s: redirects to no address", where(u))
		}
		if err := mayFollow(u, next); err != nil {
			return nil, err
		}
		u = next
	}
	return nil, fmt.Errorf("%s: more than %d redirects", where(u), maxRedirects)
}

// mayFollow refuses redirects that give up encryption.
func mayFollow(from, to *url.URL) error {
	switch {
	case to.Scheme != "https" && to.Scheme != "http" || to.Host == "":
		return fmt.Errorf("%s: redirects to %.80q, which is no web address", where(from), to.Redacted())
	case from.Scheme == "https" && to.Scheme == "http" && !isLoopback(to):
		return fmt.Errorf("%s: redirects to %s without encryption: refused", where(from), to.Host)
	}
	return nil
}

// mayHaveToken reports that an address is the endpoint's own and the way to it
// is private.
func (c *Client) mayHaveToken(u *url.URL) bool {
	if c.opt.Token == "" {
		return false
	}
	e, err := url.Parse(c.opt.Endpoint)
	return err == nil && u.Scheme == e.Scheme && strings.EqualFold(u.Host, e.Host) && (u.Scheme == "https" || isLoopback(u))
}

func isLoopback(u *url.URL) bool {
	if u.Hostname() == "localhost" {
		return true
	}
	ip := net.ParseIP(u.Hostname())
	return ip != nil && ip.IsLoopback()
}

// retryAfter reads the header of that name: seconds or a date.
func retryAfter(v string, now time.Time) time.Duration {
	if v == "" {
		return 0
	}
	if n, err := strconv.ParseInt(v, 10, 32); err == nil {
		return max(0, time.Duration(n)*time.Second)
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(0, t.Sub(now))
	}
	return 0
}

// drain ends an answer so that its connection can be used again.
func drain(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	resp.Body.Close()
}

// pause waits before another attempt: at least least, else the backoff of
// that many failures, of which a part is chance.
func (c *Client) pause(ctx context.Context, failures int, least time.Duration) error {
	d := min(c.opt.Backoff<<min(failures-1, 10), 30*time.Second)
	d = d/2 + time.Duration(c.chance()*float64(d/2))
	t := time.NewTimer(max(d, least))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
