// SPDX-License-Identifier: Apache-2.0

// Package credentials finds the Alibaba Cloud credentials of one Velero
// location and keeps them fresh.
//
// The first source that is configured decides: the location's credentials file,
// an access key in the environment, RRSA (OIDC), the file that
// ALIBABA_CLOUD_CREDENTIALS_FILE names, the ACK addon token, the RAM role of the
// node. A source that is configured and does not work is an error, never a reason
// to go on under another identity. Nothing passes through the process
// environment, so that locations with different credentials do not mix.
package credentials

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ErrNotFound is wrapped by the error for "no source is configured".
var ErrNotFound = errors.New("no Alibaba Cloud credentials found")

// Error is every failure to obtain credentials or to read their file, so that it can be told from an
// answer of the service that they are for: STS, too, says that access is denied.
type Error struct {
	// Err is what failed, in full.
	Err error
}

// Error returns the text of Err.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Unsent implements failure.Unsent.
func (e *Error) Unsent() {}

// Credentials are one access key, with its security token where it is temporary.
// Printing or marshalling them shows neither secret nor token.
type Credentials struct {
	AccessKeyID     string
	AccessKeySecret string
	// SecurityToken is empty for the permanent access key of a RAM user.
	SecurityToken string
	// Expiration is when the cloud stops accepting them; zero means never.
	Expiration time.Time
	// Source says where they come from, for a person to read.
	Source string
}

// String describes the credentials without their secrets.
func (c Credentials) String() string {
	validity := "permanent"
	if !c.Expiration.IsZero() {
		validity = "until " + c.Expiration.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("access key %s (%s) from %s", maskedID(c.AccessKeyID), validity, c.Source)
}

// Format prints String for every verb: %#v, %d and their like would print the
// fields otherwise.
func (c Credentials) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte(c.String())) }

// MarshalJSON writes what String tells, as fields.
func (c Credentials) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		AccessKeyID string    `json:"accessKeyId"`
		Expiration  time.Time `json:"expiration,omitzero"`
		Source      string    `json:"source"`
	}{maskedID(c.AccessKeyID), c.Expiration, c.Source})
}

// usableAt reports whether the cloud accepts the credentials at that time, by this machine's clock.
func (c Credentials) usableAt(now time.Time) bool {
	return c.AccessKeyID != "" && (c.Expiration.IsZero() || now.Before(c.Expiration))
}

// maskedID keeps of an access key id what is needed to tell it from others.
func maskedID(id string) string {
	const shown = 4
	if len(id) < 3*shown {
		return "****"
	}
	return id[:shown] + "****" + id[len(id)-shown:]
}

// checkKeyPair refuses an access key that cannot work, before the cloud does so
// less clearly. The error says which part is wrong, not what it contains.
func checkKeyPair(c Credentials) error {
	parts := []struct{ name, value string }{
		{"access key id", c.AccessKeyID},
		{"access key secret", c.AccessKeySecret},
		{"security token", c.SecurityToken},
	}
	for i, part := range parts {
		if part.value == "" && i < 2 {
			return fmt.Errorf("the %s is missing", part.name)
		}
		for _, char := range part.value {
			if char <= ' ' || char > '~' {
				return fmt.Errorf("the %s contains a character that no key has (a space, a line break or a letter outside ASCII)", part.name)
			}
			if char == '<' {
				return fmt.Errorf("the %s is still the placeholder of an example", part.name)
			}
		}
	}
	return nil
}
