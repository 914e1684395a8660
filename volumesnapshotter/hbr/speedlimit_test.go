// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"strings"
	"testing"
)

func TestParseSpeedLimit(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text, want string
		// wantErr is a part of the error; empty means none.
		wantErr string
	}{
		{name: "all day", text: "0:24:5120", want: "0:24:5120"},
		{name: "rules in another order and with white space", text: "12:24:1 |0: 8:2", want: "0:8:2|12:24:1"},
		{name: "rules that touch", text: "0:8:1|8:12:2", want: "0:8:1|8:12:2"},
		{name: "numbers with zeros in front", text: "00:08:0100", want: "0:8:100"},
		{name: "nothing", text: "", wantErr: `"" is not of the form`},
		{name: "a bar too many", text: "0:8:1|", wantErr: `"" is not of the form`},
		{name: "too few numbers", text: "0:8", wantErr: `"0:8" is not of the form`},
		{name: "too many numbers", text: "0:8:1:2", wantErr: `"0:8:1:2" is not of the form`},
		{name: "no number", text: "0:8:fast", wantErr: `"0:8:fast" is not of the form`},
		{name: "an hour that no day has", text: "0:25:1", wantErr: `"0:25:1" is not of the form`},
		{name: "an hour before the day", text: "-1:8:1", wantErr: `"-1:8:1" is not of the form`},
		{name: "an end before the start", text: "8:8:1", wantErr: `"8:8:1" is not of the form`},
		{name: "no bandwidth at all", text: "0:8:0", wantErr: `"0:8:0" is not of the form`},
		{name: "rules that overlap", text: "6:12:1|0:8:2", wantErr: "0:8:2 and 6:12:1 overlap"},
		{name: "a rule within another", text: "0:24:1|2:3:2", wantErr: "0:24:1 and 2:3:2 overlap"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := parseSpeedLimit(tt.text)
			if (err != nil) != (tt.wantErr != "") || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
				t.Fatalf("error %v, want %q", err, tt.wantErr)
			}
			if got != tt.want {
				t.Errorf("limit %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzParseSpeedLimit(f *testing.F) {
	for _, text := range []string{"", "0:24:5120", "0:8:1|8:12:2", "6:12:1|0:8:2", " 1 : 2 : 3 ", "+1:2:3"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		limit, err := parseSpeedLimit(text)
		if err != nil {
			return
		}
		if again, err := parseSpeedLimit(limit); err != nil || again != limit {
			t.Errorf("%q is read as %q, which is read as %q, error %v", text, limit, again, err)
		}
	})
}
