// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/notes"
)

// noteTimeout bounds the writing of a note.
const noteTimeout = 30 * time.Second

// attempt is that a backup has asked for a snapshot of a volume. It is noted before ECS is
// asked and again with what came of it: that there is no snapshot proves nothing else, for
// Velero may never have asked for one, and a list may lag behind.
type attempt struct {
	// At is when ECS was asked, by its clock; the zero time for a refusal.
	At time.Time `json:"at,omitzero"`
	// Made is what Velero keeps: the id of the snapshot or one of a refusal, "" while ECS is asked.
	Made string `json:"made,omitempty"`
	// Lost is why ECS's answer did not come. Velero was told of a refusal then, but ECS may have
	// made the snapshot.
	Lost string `json:"lost,omitempty"`
}

// noteAttempt notes an attempt for who asks how far the snapshot is, and tells whether it is
// noted. backup is nil where backupOf could not read it, and said so.
func (s *site) noteAttempt(ctx context.Context, backup *velerov1.Backup, pv string, tried attempt) bool {
	if backup == nil {
		return false
	}
	// What was made is noted also when the time for it is over.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTimeout)
	defer cancel()
	text, _ := json.Marshal(tried) //nolint:errchkjson // A time and a text.
	if err := s.notes.Note(ctx, notes.OfBackup(backup), pv, string(text)); err != nil {
		s.log.WithField("persistentVolume", pv).WithError(err).Error("Nobody may know whether the snapshot of the volume succeeds")
		return false
	}
	return true
}

// isCutShort tells that Velero does not know of the snapshot, if there is one: the process which
// asked for it ended before it told, or ECS's answer was lost.
func (a attempt) isCutShort() bool { return a.Made == "" && !a.At.IsZero() }

// forgetAttempt removes a note that nobody asks for any more. One that cannot be removed
// goes with its Backup, or with the next sweep.
func (s *site) forgetAttempt(ctx context.Context, backup *velerov1.Backup, pv string) {
	if err := s.notes.Forget(ctx, notes.OfBackup(backup), pv); err != nil {
		s.log.WithField("persistentVolume", pv).WithError(err).Info("The note of a snapshot is left to the next backup")
	}
}

// attemptAt returns the attempt of a backup at a PersistentVolume, the zero one if none is noted.
func (s *site) attemptAt(ctx context.Context, backup *velerov1.Backup, pv string) (attempt, error) {
	text, noted, err := s.notes.Find(ctx, notes.OfBackup(backup), pv)
	if err != nil || !noted {
		return attempt{}, err
	}
	return parseAttempt(pv, text)
}

// attemptsOf returns the attempts of a backup that can be read.
func (s *site) attemptsOf(ctx context.Context, backup *velerov1.Backup) ([]attempt, error) {
	texts, err := s.notes.All(ctx, notes.OfBackup(backup))
	if err != nil {
		return nil, err
	}
	var all []attempt
	for pv, text := range texts {
		if tried, err := parseAttempt(pv, text); err == nil {
			all = append(all, tried)
		}
	}
	return all, nil
}

func parseAttempt(pv, text string) (attempt, error) {
	var tried attempt
	if err := json.Unmarshal([]byte(text), &tried); err != nil {
		return attempt{}, fmt.Errorf("reading what was noted of the PersistentVolume %s: %w", pv, err)
	}
	return tried, nil
}
