// SPDX-License-Identifier: Apache-2.0

// Package operationid writes the ids of Velero's item operations: JSON, which people
// read in `velero backup describe --details`.
package operationid

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Of returns the id that says what op does, a struct of texts. Its characters are as they
// were: & is no \u0026.
func Of(op any) string {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(op) //nolint:errchkjson // texts alone
	return strings.TrimSuffix(text.String(), "\n")
}
