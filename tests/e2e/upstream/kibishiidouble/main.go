// SPDX-License-Identifier: Apache-2.0

// Command kibishiidouble stands in for Kibishii, the workload of many of upstream's e2e suites
// (github.com/vmware-tanzu-experiments/distributed-data-generator). It is not Kibishii: that is a program in Java, with an
// image in a registry. To the suites it looks the same (test/util/kibishii): Pods kibishii-deployment-0, -1, … that have a
// volume each, at /data, and a Pod jump-pad with two scripts, of which generate.sh has all of them fill their volumes with
// trees of files, and verify.sh succeeds if nothing of these is missing or different. The double's Pods need no etcd to
// agree on what to do; those of that name do nothing.
//
// In the Pods of the StatefulSet it runs as "kibishiidouble serve". It is generate.sh, verify.sh or cat if it is called so,
// and anything else waits. Of cat the suites read the message about a file that is not there, as that of Debian has it, on
// which Kibishii's image is built; BusyBox has another.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	dataDir = "/data"
	port    = "8080"
	// requestTimeout is how long a Pod may take for its tree.
	requestTimeout = 10 * time.Minute
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	if err := run(ctx, filepath.Base(os.Args[0]), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	stop()
}

func run(ctx context.Context, name string, args []string) error {
	switch verb, isScript := strings.CutSuffix(name, ".sh"); {
	case isScript:
		return tellAll(ctx, verb, args)
	case verb == "cat":
		return cat(os.Stdout, args)
	case len(args) > 0 && args[0] == "serve":
		return serve(ctx)
	default:
		<-ctx.Done()
		return nil
	}
}

// cat writes files.
func cat(out io.Writer, files []string) error {
	for _, file := range files {
		content, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cat: %s: No such file or directory", file)
		}
		if err != nil {
			return err
		}
		if _, err := out.Write(content); err != nil {
			return err
		}
	}
	return nil
}

// tellAll has each Pod do what the scripts' arguments say: levels, directories and files in each directory, the length of
// files, the size of blocks, the number of the pass, and the number of Pods.
func tellAll(ctx context.Context, verb string, args []string) error {
	const nodes = 6
	if len(args) <= nodes {
		return fmt.Errorf("%s has %d arguments, not %d", verb, len(args), nodes+1)
	}
	count, err := strconv.Atoi(args[nodes])
	if err != nil {
		return fmt.Errorf("reading the number of Pods: %w", err)
	}
	query := url.Values{"levels": args[0:1], "dirs": args[1:2], "files": args[2:3], "length": args[3:4]}
	for i := range count {
		at := fmt.Sprintf("http://kibishii-deployment-%d.kibishii:%s/%s?%s", i, port, verb, query.Encode())
		if err := tell(ctx, at); err != nil {
			return err
		}
	}
	return nil
}

func tell(ctx context.Context, at string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, at, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", at, bytes.TrimSpace(body))
	}
	return err
}

// serve answers the scripts.
func serve(ctx context.Context) error {
	node, err := os.Hostname()
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	for verb, do := range map[string]func(file string, content []byte) error{"generate": write, "verify": compare} {
		mux.HandleFunc("POST /"+verb, func(w http.ResponseWriter, r *http.Request) {
			t, err := parseTree(r.URL.Query())
			if err == nil {
				err = t.walk(node, "", t.levels, func(name string, content []byte) error {
					return do(filepath.Join(dataDir, name), content)
				})
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		})
	}
	server := &http.Server{Addr: ":" + port, Handler: mux, ReadHeaderTimeout: requestTimeout}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// tree is the shape of what is in a volume.
type tree struct {
	levels, dirs, files, length int
}

func parseTree(query url.Values) (tree, error) {
	var t tree
	for name, to := range map[string]*int{"levels": &t.levels, "dirs": &t.dirs, "files": &t.files, "length": &t.length} {
		number, err := strconv.Atoi(query.Get(name))
		if err != nil {
			return tree{}, fmt.Errorf("reading %s: %w", name, err)
		}
		*to = number
	}
	return t, nil
}

// walk calls visit for each file below dir, with what is in it on a node.
func (t tree) walk(node, dir string, levels int, visit func(name string, content []byte) error) error {
	if levels == 0 {
		return nil
	}
	for i := range t.files {
		name := filepath.Join(dir, fmt.Sprintf("file-%d", i))
		if err := visit(name, content(node, name, t.length)); err != nil {
			return err
		}
	}
	for i := range t.dirs {
		if err := t.walk(node, filepath.Join(dir, fmt.Sprintf("dir-%d", i)), levels-1, visit); err != nil {
			return err
		}
	}
	return nil
}

// content is the same each time for a file of a node, and another one for every other.
func content(node, name string, length int) []byte {
	filled := make([]byte, length)
	_, _ = rand.NewChaCha8(sha256.Sum256(fmt.Appendf(nil, "%s\n%s", node, name))).Read(filled) // It never fails.
	return filled
}

func write(file string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o644)
}

func compare(file string, content []byte) error {
	found, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if !bytes.Equal(found, content) {
		return fmt.Errorf("%s holds something else than was written: %d bytes of %d", file, len(found), len(content))
	}
	return nil
}
