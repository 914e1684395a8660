// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		args       []string
		kubeconfig string
		want       string
		wantErr    string
	}{
		{name: "help names the packages", args: []string{"--help"}, want: "containernetworking-plugins"},
		{name: "nothing is made beside a cluster that is there", args: []string{"up"}, kubeconfig: "/there", want: "the cluster of /there is used, and nothing is made"},
		{name: "other names are for tests", args: []string{"up", "c"}, wantErr: `there is no cluster "c": a and b can be`},
		{name: "no command", wantErr: errUsage.Error()},
		{name: "an unknown command", args: []string{"restart"}, wantErr: errUsage.Error()},
		{name: "nothing to load", args: []string{"load", "a"}, wantErr: errUsage.Error()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var stdout bytes.Buffer
			err := run(t.Context(), tt.args, tt.kubeconfig, &stdout, io.Discard)
			if err == nil {
				err = errors.New("")
			}
			if err.Error() != tt.wantErr || !strings.Contains(stdout.String(), tt.want) {
				t.Errorf("got %q and error %q, want %q and error %q", &stdout, err, tt.want, tt.wantErr)
			}
		})
	}
}
