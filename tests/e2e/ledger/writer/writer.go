// SPDX-License-Identifier: Apache-2.0

package writer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
)

// Paths that are served.
const (
	// HealthPath answers while the process writes.
	HealthPath = "/healthz"
	// ReadyPath answers once a record is in each directory.
	ReadyPath = "/readyz"
	// RecordsPath has a Status.
	RecordsPath = "/records"
	// VerifyPath has Reports, with the status 200 if all are well. The parameter at-least is of all directories.
	VerifyPath = "/verify"
)

// Config says what is written.
type Config struct {
	// Directories are written each by itself: one that does not answer holds up no other.
	Directories []string
	// Interval is the time between two records of a directory.
	Interval time.Duration
	// TokenFile is a file whose digest is told, to see that it is the right one. It may be empty.
	TokenFile string
}

// Status is what is safely on disk.
type Status struct {
	// Directories are by path.
	Directories map[string]Position `json:"directories"`
	// Token is the SHA-256 of the token file, in hexadecimal.
	Token string `json:"token,omitempty"`
}

// Writer is the application.
type Writer struct {
	config      Config
	directories []*directory
	token       string
}

// Open verifies the directories and takes them up where they were left. The caller must Close the writer.
func Open(config Config) (*Writer, error) {
	if len(config.Directories) == 0 || config.Interval <= 0 {
		return nil, errors.New("directories and an interval are required")
	}
	w := &Writer{config: config}
	if config.TokenFile != "" {
		token, err := os.ReadFile(config.TokenFile)
		if err != nil {
			return nil, fmt.Errorf("read the token: %w", err)
		}
		sum := sha256.Sum256(token)
		w.token = hex.EncodeToString(sum[:])
	}
	for _, path := range config.Directories {
		d, err := open(path)
		if err != nil {
			return nil, errors.Join(err, w.Close())
		}
		w.directories = append(w.directories, d)
	}
	return w, nil
}

// Run writes until ctx ends, or a directory cannot be written.
func (w *Writer) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, d := range w.directories {
		group.Go(func() error { return d.run(ctx, w.config.Interval) })
	}
	return group.Wait()
}

// Write writes a number of records to each directory.
func (w *Writer) Write(records int) error {
	for range records {
		for _, d := range w.directories {
			if err := d.step(time.Now()); err != nil {
				return fmt.Errorf("%s: %w", d.path, err)
			}
		}
	}
	return nil
}

// Close lets others write. Run has to have ended.
func (w *Writer) Close() error {
	errs := make([]error, 0, len(w.directories))
	for _, d := range w.directories {
		errs = append(errs, d.writer.Close())
	}
	return errors.Join(errs...)
}

// Status returns what is safely on disk.
func (w *Writer) Status() Status {
	s := Status{Directories: map[string]Position{}, Token: w.token}
	for _, d := range w.directories {
		s.Directories[d.path] = d.position()
	}
	return s
}

// Handler serves the paths.
func (w *Writer) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+HealthPath, func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusOK) })
	mux.HandleFunc("GET "+ReadyPath, w.ready)
	mux.HandleFunc("GET "+RecordsPath, func(rw http.ResponseWriter, _ *http.Request) { reply(rw, http.StatusOK, w.Status()) })
	mux.HandleFunc("GET "+VerifyPath, w.verify)
	return mux
}

func (w *Writer) ready(rw http.ResponseWriter, _ *http.Request) {
	for _, d := range w.directories {
		if d.position().Last == 0 {
			http.Error(rw, "nothing is written to "+d.path, http.StatusServiceUnavailable)
			return
		}
	}
}

func (w *Writer) verify(rw http.ResponseWriter, request *http.Request) {
	atLeast := uint64(0)
	if text := request.URL.Query().Get("at-least"); text != "" {
		var err error
		if atLeast, err = strconv.ParseUint(text, 10, 64); err != nil {
			http.Error(rw, "at-least: "+err.Error(), http.StatusBadRequest)
			return
		}
	}
	status, reports := http.StatusOK, make([]Report, 0, len(w.directories))
	for _, d := range w.directories {
		r := Verify(d.path, atLeast)
		if !r.OK {
			status = http.StatusConflict
		}
		reports = append(reports, r)
	}
	reply(rw, status, reports)
}

func reply(rw http.ResponseWriter, status int, body any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(body) // The client may be gone.
}
