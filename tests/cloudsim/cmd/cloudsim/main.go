// SPDX-License-Identifier: Apache-2.0

// Command cloudsim runs the simulated Alibaba Cloud as a program.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
)

const usage = `cloudsim serve --config FILE [flags]

Runs a simulated Alibaba Cloud: OSS, ECS, NAS, Cloud Backup, STS, the instance metadata service, and a proxy behind
which they have their real names. The first line of the output is a JSON object with the addresses. It serves until SIGINT or SIGTERM.

  curl <admin>/journal             every request so far; DELETE empties it
  curl <admin>/faults              the fault rules; POST adds some, DELETE removes all
  curl <admin>/ecs/inventory?account=ID
                                   what an account has in ECS; POST {"by": "1h"} to <admin>/ecs/advance lets time pass there
  curl <admin>/hbr/inventory?account=ID
                                   the same of Cloud Backup, with <admin>/hbr/advance
  export HTTPS_PROXY=<proxy> HTTP_PROXY=<proxy> SSL_CERT_FILE=<caFile>
                                   to reach the services under their real names

Flags:
`

// errUsage says that the command line was wrong and the usage has been printed.
var errUsage = errors.New("wrong command line")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "cloudsim:", err)
		os.Exit(1)
	}
}

// settings are what the command line says.
type settings struct {
	config           string
	stateDir         string
	listen           cloudsim.Listen
	untilStdinCloses bool
}

// parse reads the command line. The usage goes to stdout when it was asked for, to stderr when it was missed.
func parse(args []string, stdout, stderr io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("cloudsim", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
	}
	const free = " (default a free port on 127.0.0.1)"
	flags.StringVar(&s.config, "config", "", "`FILE` with the configuration, in YAML or JSON")
	flags.StringVar(&s.stateDir, "state-dir", "", "`DIR` for the bytes of objects and disks (default a temporary one)")
	flags.StringVar(&s.listen.OSS, "listen-oss", "", "`ADDRESS` of OSS"+free)
	flags.StringVar(&s.listen.RPC, "listen-rpc", "", "`ADDRESS` of the RPC services"+free)
	flags.StringVar(&s.listen.Metadata, "listen-imds", "", "`ADDRESS` of the instance metadata service"+free)
	flags.StringVar(&s.listen.Proxy, "listen-proxy", "", "`ADDRESS` of the proxy"+free)
	flags.StringVar(&s.listen.Admin, "listen-admin", "", "`ADDRESS` of /journal, /faults, /ecs/ and /healthz"+free)
	flags.BoolVar(&s.untilStdinCloses, "until-stdin-closes", false, "also end when stdin is closed, as by the parent's death")

	if slices.ContainsFunc(args, func(a string) bool { return a == "--help" || a == "-h" || a == "help" }) {
		flags.SetOutput(stdout)
		flags.Usage()
		return s, flag.ErrHelp
	}
	if len(args) == 0 || args[0] != "serve" {
		flags.Usage()
		return s, errUsage
	}
	if err := flags.Parse(args[1:]); err != nil {
		return s, errUsage // the flag set has printed what is wrong
	}
	if s.config == "" || flags.NArg() > 0 {
		flags.Usage()
		return s, errUsage
	}
	return s, nil
}

// run serves until the context ends, or with --until-stdin-closes until stdin does.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	s, err := parse(args, stdout, stderr)
	if err != nil {
		return err
	}
	config, err := cloudsim.ReadConfig(s.config)
	if err != nil {
		return err
	}
	cloud, err := cloudsim.Start(config, cloudsim.WithStateDir(s.stateDir), cloudsim.WithListen(s.listen))
	if err != nil {
		return err
	}
	if s.untilStdinCloses {
		ctx = untilClosed(ctx, stdin)
	}
	if err := json.NewEncoder(stdout).Encode(cloud.Addresses()); err != nil {
		return errors.Join(fmt.Errorf("print the addresses: %w", err), cloud.Close())
	}
	<-ctx.Done()
	return cloud.Close()
}

// untilClosed returns a context that ends when the reader does.
func untilClosed(ctx context.Context, r io.Reader) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, r) // an error ends it as the end does
	}()
	return ctx
}
