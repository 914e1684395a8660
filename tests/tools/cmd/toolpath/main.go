// SPDX-License-Identifier: Apache-2.0

// Command toolpath prints the paths of the programs that its arguments name, one a line, after building those
// that the cache does not hold. What it is doing goes to standard error.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/tools"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // exitAfterDefer: the process ends here, and its signal handlers with it
	}
}

func run(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return fmt.Errorf("usage: toolpath NAME...\nNAME is one of %s", strings.Join(tools.Names(), ", "))
	}
	builder, err := tools.NewBuilder(ctx, os.LookupEnv, os.Stderr)
	if err != nil {
		return err
	}
	for _, name := range names {
		path, err := builder.Path(ctx, name)
		if err != nil {
			return err
		}
		fmt.Println(path)
	}
	return nil
}
