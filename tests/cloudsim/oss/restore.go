// SPDX-License-Identifier: Apache-2.0

package oss

import (
	"net/http"
	"time"
)

// restoration is a temporary readable copy of an archived object.
type restoration struct {
	readyAt   time.Time
	expiresAt time.Time
}

type restoreState int

const (
	restoreNone restoreState = iota
	restoreOngoing
	restoreDone
)

func (r *restoration) state(now time.Time) restoreState {
	switch {
	case r == nil || now.After(r.expiresAt):
		return restoreNone
	case now.Before(r.readyAt):
		return restoreOngoing
	}
	return restoreDone
}

// header is the value of x-oss-restore, empty for an object that is not being restored.
func (r *restoration) header(now time.Time) string {
	switch r.state(now) {
	case restoreOngoing:
		return `ongoing-request="true"`
	case restoreDone:
		return `ongoing-request="false", expiry-date="` + r.expiresAt.UTC().Format(http.TimeFormat) + `"`
	default:
		return ""
	}
}

type restoreRequest struct {
	Days          int
	JobParameters struct {
		Tier string
	}
}

// maxRestoreDays is how long a restored object of a class stays readable at most.
func maxRestoreDays(class string) int {
	if class == ClassArchive {
		return 7
	}
	return 365
}

// restoreObject starts to restore an archived object (202), prolongs one that is restored (200), and refuses while
// it is under way (409).
func (s *Service) restoreObject(c *call) error {
	request := restoreRequest{Days: 1}
	if err := c.readXML("RestoreRequest", &request); err != nil {
		return err
	}
	status, err := s.restore(c, request.Days)
	if err != nil {
		return err
	}
	c.writer.WriteHeader(status)
	return nil
}

func (s *Service) restore(c *call, days int) (status int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := c.found.objects.get(c.key)
	if !ok {
		return 0, noSuchKey(c.key)
	}
	if !archived(old.class) {
		return 0, newError(http.StatusBadRequest, "OperationNotSupported",
			"The operation is not supported for this resource")
	}
	if days < 1 || days > maxRestoreDays(old.class) {
		return 0, malformedXML("the number of days is out of range.")
	}
	period := time.Duration(days) * 24 * time.Hour
	status = http.StatusAccepted
	next := &restoration{readyAt: c.now.Add(s.restoreDelay), expiresAt: c.now.Add(s.restoreDelay + period)}
	switch old.restored.state(c.now) {
	case restoreOngoing:
		return 0, newError(http.StatusConflict, "RestoreAlreadyInProgress", "The restore operation is in progress.")
	case restoreDone:
		status = http.StatusOK
		next = &restoration{readyAt: old.restored.readyAt, expiresAt: c.now.Add(period)}
	case restoreNone:
	}
	c.found.change(old, func(o *object) { o.restored = next })
	return status, nil
}
