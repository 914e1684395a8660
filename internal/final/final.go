// SPDX-License-Identifier: Apache-2.0

// Package final tells errors that another attempt would meet again from those that may pass.
package final

import (
	"errors"
	"fmt"

	"github.com/vmware-tanzu/velero/pkg/plugin/velero"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/credentials"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
)

// finalError is an error that was made final.
type finalError struct{ error }

// Unwrap returns the error.
func (e finalError) Unwrap() error { return e.error }

// Errorf returns an error that no other attempt helps, with a text as fmt.Errorf makes it.
func Errorf(format string, args ...any) error {
	return finalError{fmt.Errorf(format, args...)}
}

// Of makes err, which is not nil, one that no other attempt helps. Its text stays.
func Of(err error) error { return finalError{err} }

// Is tells whether another attempt would meet err again: it, or one that it wraps, was
// made final, or is a refusal of the cloud that only a person can change. Credentials that
// are missing are not final, for somebody may mend the Secret or the role meanwhile.
func Is(err error) bool {
	var made finalError
	var missing *credentials.Error
	switch {
	case errors.As(err, &made):
		return true
	case errors.As(err, &missing):
		return false
	}
	switch failure.Classify(err) {
	case failure.NotFound, failure.Denied, failure.Invalid, failure.Quota, failure.SoldOut, failure.KeyUnusable, failure.Conflict, failure.NotActivated:
		_, answered := failure.Of(err)
		return answered
	default:
		return false
	}
}

// Progress returns the progress of an operation of Velero's, or what an error makes of it:
// the end of the operation, with the error, where another attempt would meet it again;
// else the error alone.
func Progress(progress velero.OperationProgress, err error) (velero.OperationProgress, error) {
	switch {
	case err == nil:
		return progress, nil
	case Is(err):
		return velero.OperationProgress{Completed: true, Err: err.Error()}, nil
	default:
		return velero.OperationProgress{}, err
	}
}

// MayPass tells whether err is worth the hours that a restore waits for its volumes. An
// endpoint that cannot be reached, or missing credentials, are not: they are told at once.
func MayPass(err error) bool {
	var made finalError
	var missing *credentials.Error
	if errors.As(err, &made) || errors.As(err, &missing) {
		return false
	}
	switch failure.Classify(err) {
	case failure.Throttled, failure.Transient, failure.InProgress, failure.Canceled:
		return true
	default:
		return false
	}
}
