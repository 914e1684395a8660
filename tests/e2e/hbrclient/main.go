// SPDX-License-Identifier: Apache-2.0

// Command hbrclient stands in for the Cloud Backup client in the DaemonSet of deploy/hbr-client. It registers with the
// simulated cloud by the token and the name of the node that it finds in its environment, as the real one does, and then
// lets the cloud work: that runs on the node's machine, and reads and writes the files as this process sees them,
// /proc/PID/root. So what the DaemonSet does not mount is not backed up. The process must know its number on the machine,
// for which its Pod needs hostPID.
//
// ADMIN_URL is where the simulator serves what is not part of the cloud.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Getenv, os.Getpid())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "hbrclient:", err)
		os.Exit(1)
	}
}

// run registers and waits for the end.
func run(ctx context.Context, env func(string) string, pid int) error {
	if pid == 1 {
		return errors.New("the process does not know its number on the machine: the Pod needs hostPID")
	}
	agent := map[string]string{"token": env("HBR_TOKEN"), "node": env("NODE_NAME"), "root": fmt.Sprintf("/proc/%d/root", pid)}
	if err := register(ctx, env("ADMIN_URL"), agent); err != nil {
		return fmt.Errorf("register with the simulated Cloud Backup: %w", err)
	}
	<-ctx.Done()
	return nil
}

func register(ctx context.Context, url string, agent map[string]string) error {
	body, err := json.Marshal(agent)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/hbr/agents", bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		message, err := io.ReadAll(io.LimitReader(response.Body, 1<<10))
		return errors.Join(fmt.Errorf("%s: %s", response.Status, bytes.TrimSpace(message)), err)
	}
	return nil
}
