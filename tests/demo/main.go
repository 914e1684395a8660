// SPDX-License-Identifier: Apache-2.0

// Command demo shows the plugin's main job on one machine, with nothing installed but Go: the real Velero backs an
// application up into a simulated OSS, and restores it. "go run ./tests/demo --help" says more.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"
)

const usage = `Backs a sample application up with Velero and this plugin, deletes it, and restores it twice: where it was, and changed
into another namespace. It compares every object, prints each field that has changed, and compares disks and files.

It runs a simulated Alibaba Cloud, etcd, kube-apiserver, kube-controller-manager and the Velero server as processes on
loopback addresses, and ends them. Nothing has to be installed but Go; no root, no cloud account. The first run builds
these programs, which takes minutes. The last lines are "Backup: Completed" and "Restore: Completed", and the exit
status is 0, only if exactly the fields that are expected have changed and the volumes hold what was backed up.

  go run ./tests/demo [flags]

Environment:
  KEEP=1   leave everything running at the end, until Ctrl-C, to look around

Flags:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second Ctrl-C ends the clean-up too.
	context.AfterFunc(ctx, stop)
	o := options{keep: os.Getenv("KEEP") == "1", parent: os.TempDir()}
	os.Exit(run(ctx, os.Args[1:], o, os.Stdout))
}

// run runs the demo and returns the exit status: 0 if everything came back as it should, 1 if not, 2 for wrong arguments.
func run(ctx context.Context, args []string, o options, out io.Writer) int {
	flags := pflag.NewFlagSet("demo", pflag.ContinueOnError)
	flags.SetOutput(out)
	flags.BoolVar(&o.alter, "alter", false, "alter a restored object before it is compared, to see that this is found")
	flags.Usage = func() { fmt.Fprint(out, usage, flags.FlagUsages()) }
	switch err := flags.Parse(args); {
	case errors.Is(err, pflag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(out, err)
		return 2
	case flags.NArg() > 0:
		fmt.Fprintf(out, "unknown argument %q\n", flags.Arg(0))
		return 2
	}
	if err := show(ctx, o, &console{out: out}); err != nil {
		fmt.Fprintf(out, "\nThe demo failed: %v\n", err)
		return 1
	}
	return 0
}
