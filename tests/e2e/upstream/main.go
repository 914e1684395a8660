// SPDX-License-Identifier: Apache-2.0

// Command upstream runs Velero's own e2e suites with this plugin on a real cluster. "go run ./tests/e2e/upstream --help"
// says more.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/tools"
)

const usage = `Runs the e2e suites of upstream Velero (test/e2e of its module) with this plugin: on a real cluster of one node, which it
starts if it is not there, against a simulated Alibaba Cloud. It prints a table of all suites that upstream has: what
became of each, and why those that cannot run here do not. The exit status is 0 only if all that were chosen have passed.

It needs root, Linux, and what tests/cluster needs. The first run builds Velero, its suites and Kubernetes, which takes
minutes.

  go run ./tests/e2e/upstream [flags]

Flags:
`

// options are the command line's.
type options struct {
	suites  string
	cluster string
	standby string
	index   int
	keep    bool
	output  string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second Ctrl-C ends the clean-up too.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout))
}

// run returns the exit status: 0 if the chosen suites have passed, 1 if not, 2 for wrong arguments.
func run(ctx context.Context, args []string, out io.Writer) int {
	var o options
	flags := pflag.NewFlagSet("upstream", pflag.ContinueOnError)
	flags.SetOutput(out)
	flags.StringVar(&o.suites, "suites", "fast", "fast, all, list (runs none), or the labels of suites, joined by + and separated by commas")
	flags.StringVar(&o.cluster, "cluster", "up1", "the name of the cluster; one that runs already is used, and left as it is")
	flags.StringVar(&o.standby, "standby", "up2", "the name of the second cluster, for suites that need one")
	flags.IntVar(&o.index, "index", 31, "the number of the cluster, by which its addresses differ from those of others; the second one has the next")
	flags.BoolVar(&o.keep, "keep", false, "leave the cluster running")
	flags.StringVar(&o.output, "output", "bin/e2e-upstream", "the folder for logs, Ginkgo's reports, and the table")
	flags.Usage = func() { fmt.Fprint(out, usage, flags.FlagUsages()) }
	switch err := flags.Parse(args); {
	case errors.Is(err, pflag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(out, err)
		return 2
	}
	results, err := test(ctx, o, out)
	if results != nil {
		fmt.Fprint(out, "\n", table(results))
		err = errors.Join(err, os.WriteFile(filepath.Join(o.output, "table.md"), []byte(table(results)), 0o600))
	}
	if err != nil {
		fmt.Fprintf(out, "\n%v\n", err)
		return 1
	}
	if failed(results) {
		return 1
	}
	return 0
}

// test runs the chosen suites and returns what became of all of upstream's.
func test(ctx context.Context, o options, out io.Writer) (_ []result, err error) {
	checkout, err := tools.ModuleDir(ctx, tools.Repository)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "e2e-upstream-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if o.output, err = filepath.Abs(o.output); err != nil {
		return nil, err
	}
	builder, err := tools.NewBuilder(ctx, os.LookupEnv, out)
	if err != nil {
		return nil, err
	}
	p, err := findProgram(ctx, builder, o.output)
	if err != nil {
		return nil, err
	}
	specs, err := p.list(ctx)
	if err != nil {
		return nil, err
	}
	for i := range specs {
		specs[i].State = "" // a dry run says that they passed
	}
	all := suites()
	if o.suites == "list" {
		return collect(all, nil, specs)
	}
	chosen, err := choose(all, o.suites)
	if err != nil {
		return nil, err
	}
	s := site{options: o, checkout: checkout, dir: dir, builder: builder, out: out}
	ran, err := s.run(ctx, p, chosen, all)
	results, collectErr := collect(all, chosen, merge(specs, ran))
	return results, errors.Join(err, collectErr)
}

// merge replaces listed specs by those that have run.
func merge(listed, ran []spec) []spec {
	outcomes := map[string][]spec{}
	for _, s := range ran {
		if s.isTest() && s.State != "skipped" || s.reason() != "" {
			outcomes[s.name()] = append(outcomes[s.name()], s)
		}
	}
	merged := make([]spec, 0, len(listed))
	for _, s := range listed {
		if found := outcomes[s.name()]; len(found) > 0 {
			outcomes[s.name()], s = found[1:], found[0]
		}
		merged = append(merged, s)
	}
	return merged
}
