// SPDX-License-Identifier: Apache-2.0

// Command ledger is the stateful application of end-to-end tests: it writes checksummed records to its volumes, and verifies
// them.
//
//	ledger serve  --dir /disk --dir /nas [--interval 50ms] [--listen :8100] [--token-file FILE]
//	ledger write  --dir /disk --records 1000
//	ledger verify --dir /disk --at-least 1000 --dir /nas --at-least 900
//
// serve is the default. It writes until it is told to end, and serves /records, /verify, /healthz and /readyz. write ends
// after a number of records. verify prints a JSON array and fails if a record is torn or lost; --at-least is of the directory
// before it, or of all if there is none before. Flags have defaults in the environment: LEDGER_DIRS (a colon between two),
// LEDGER_INTERVAL, LEDGER_LISTEN, LEDGER_TOKEN_FILE.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/e2e/ledger/writer"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "ledger:", err)
		os.Exit(1)
	}
}

// arguments are those of all commands.
type arguments struct {
	config  writer.Config
	listen  string
	records int
	// atLeast is by directory; that of "" is of all others.
	atLeast map[string]uint64
}

func run(ctx context.Context, args []string, env func(string) string, out io.Writer) error {
	command := "serve"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		command, args = args[0], args[1:]
	}
	a, err := parse(command, args, env, out)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	switch command {
	case "serve":
		return serve(ctx, a, out)
	case "write":
		return write(a, out)
	case "verify":
		return verify(a, out)
	default:
		return fmt.Errorf("unknown command %q: allowed are serve, write and verify", command)
	}
}

func parse(command string, args []string, env func(string) string, out io.Writer) (*arguments, error) {
	a := &arguments{atLeast: map[string]uint64{}, listen: ":8100", config: writer.Config{Interval: 50 * time.Millisecond}}
	if text := env("LEDGER_INTERVAL"); text != "" {
		var err error
		if a.config.Interval, err = time.ParseDuration(text); err != nil {
			return nil, fmt.Errorf("LEDGER_INTERVAL: %w", err)
		}
	}
	if listen := env("LEDGER_LISTEN"); listen != "" {
		a.listen = listen
	}
	flags := flag.NewFlagSet("ledger "+command, flag.ContinueOnError)
	flags.SetOutput(out)
	flags.Func("dir", "a `directory` that is written; may be repeated", func(dir string) error {
		a.config.Directories = append(a.config.Directories, dir)
		return nil
	})
	flags.DurationVar(&a.config.Interval, "interval", a.config.Interval, "time between two records of a directory")
	flags.StringVar(&a.config.TokenFile, "token-file", env("LEDGER_TOKEN_FILE"), "a `file` whose digest /records tells")
	flags.StringVar(&a.listen, "listen", a.listen, "`address` to serve at")
	flags.IntVar(&a.records, "records", 1, "how many records write writes to each directory")
	flags.Func("at-least", "the `number` of a record that has to be there", func(text string) error {
		n, err := strconv.ParseUint(text, 10, 64)
		dir := ""
		if dirs := a.config.Directories; len(dirs) > 0 {
			dir = dirs[len(dirs)-1]
		}
		a.atLeast[dir] = n
		return err
	})
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if dirs := env("LEDGER_DIRS"); len(a.config.Directories) == 0 && dirs != "" {
		a.config.Directories = filepath.SplitList(dirs)
	}
	return a, nil
}

func serve(ctx context.Context, a *arguments, out io.Writer) (err error) {
	w, err := writer.Open(a.config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	socket, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.listen)
	if err != nil {
		return err
	}
	if err = json.NewEncoder(out).Encode(map[string]any{"listening": socket.Addr().String(), "status": w.Status()}); err != nil {
		return err
	}
	server := &http.Server{Handler: w.Handler(), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(socket) }()
	err = w.Run(ctx)
	closeErr := server.Close()
	if serveErr := <-served; !errors.Is(serveErr, http.ErrServerClosed) {
		closeErr = errors.Join(closeErr, serveErr)
	}
	return errors.Join(err, closeErr)
}

func write(a *arguments, out io.Writer) (err error) {
	w, err := writer.Open(a.config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if err = w.Write(a.records); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(w.Status())
}

func verify(a *arguments, out io.Writer) error {
	var failed []error
	reports := make([]writer.Report, 0, len(a.config.Directories))
	for _, dir := range a.config.Directories {
		atLeast, ok := a.atLeast[dir]
		if !ok {
			atLeast = a.atLeast[""]
		}
		r := writer.Verify(dir, atLeast)
		if !r.OK {
			failed = append(failed, fmt.Errorf("%s: %s", dir, r.Error))
		}
		reports = append(reports, r)
	}
	if len(reports) == 0 {
		return errors.New("--dir is required")
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return errors.Join(append(failed, encoder.Encode(reports))...)
}
