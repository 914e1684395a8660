// SPDX-License-Identifier: Apache-2.0

// Package final tells errors that another attempt would meet again from those that may pass.
package final

import (
	"errors"
	"fmt"
)

// finalError is an error that another attempt would meet again.
type finalError struct{ error }

// Unwrap returns the error.
func (e finalError) Unwrap() error { return e.error }

// Errorf returns an error that no other attempt helps, with a text as fmt.Errorf makes it.
func Errorf(format string, args ...any) error {
	return finalError{fmt.Errorf(format, args...)}
}

// Of makes err, which is not nil, one that no other attempt helps. Its text stays.
func Of(err error) error { return finalError{err} }

// Is tells whether err is, or wraps, an error that no other attempt helps.
func Is(err error) bool {
	var found finalError
	return errors.As(err, &found)
}
