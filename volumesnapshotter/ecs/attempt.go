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
	// At is when ECS was asked, by its clock.
	At time.Time `json:"at"`
	// Made is what Velero keeps: the id of the snapshot or one of a refusal, "" while ECS is asked.
	Made string `json:"made,omitempty"`
}

// noteAttempt notes an attempt for who asks how far the snapshot is. What cannot be noted
// is asked for by the snapshot's tags alone.
func (s *site) noteAttempt(ctx context.Context, backup *velerov1.Backup, pv string, tried attempt) {
	if backup == nil {
		return // That it is not known was told.
	}
	// What was made is noted also when the time for it is over.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTimeout)
	defer cancel()
	text, _ := json.Marshal(tried) //nolint:errchkjson // A time and a text.
	if err := s.notes.Note(ctx, notes.OfBackup(backup), pv, string(text)); err != nil {
		s.log.WithField("persistentVolume", pv).WithError(err).
			Warn("Whether the snapshot of the volume succeeds is asked for by its tags alone")
	}
}

// attemptsOf returns the attempts of a backup, by the name of the PersistentVolume.
func (s *site) attemptsOf(ctx context.Context, backup *velerov1.Backup) (map[string]attempt, error) {
	texts, err := s.notes.All(ctx, notes.OfBackup(backup))
	if err != nil {
		return nil, err
	}
	tried := make(map[string]attempt, len(texts))
	for pv, text := range texts {
		var a attempt
		if err := json.Unmarshal([]byte(text), &a); err != nil {
			return nil, fmt.Errorf("reading what was noted of the PersistentVolume %s: %w", pv, err)
		}
		tried[pv] = a
	}
	return tried, nil
}
