// SPDX-License-Identifier: Apache-2.0

// Command hello is what pods of this package's tests run: "hello serve TEXT" answers every request with a text, on port
// 8080, and "hello get URL" prints such an answer.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
)

// timeout bounds the wait for an answer, of a server that may only be starting.
const timeout = 30 * time.Second

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 2 && args[0] == "serve":
		return serve(args[1])
	case len(args) == 2 && args[0] == "get":
		return poll.Until(ctx, timeout, "an answer", func(ctx context.Context) error { return get(ctx, args[1]) })
	default:
		return errors.New("usage: hello serve TEXT | hello get URL")
	}
}

// serve answers requests until the process is killed.
func serve(text string) error {
	server := &http.Server{
		Addr:              ":8080",
		ReadHeaderTimeout: timeout,
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }),
	}
	return server.ListenAndServe()
}

// get prints the answer to a request.
func get(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return poll.Permanent(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(os.Stdout, response.Body)
	return err
}
