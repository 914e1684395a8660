// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// snapshotID names what a backup job has made, or is making. Velero keeps it as
//
//	<region>/<vault>/<kind>/<method>/<job>?<source>
//
// such as cn-hangzhou/v-0001abc/nas/agentless/job-0002def?fileSystem=31a8e4&path=/data.
// The id and the hash of the snapshot itself exist only when the job has ended, and
// are found by it. What a restore needs to make a volume is in here, for Velero shows
// no PersistentVolume to CreateVolumeFromSnapshot.
type snapshotID struct {
	// region is that of the vault.
	region, vault string
	kind          volume.Kind
	// method is agentless or onNode.
	method method
	job    string
	// source is what the snapshot is of.
	source storage
}

// refusedPrefix begins the id that stands for a job that could not be begun, before
// the reason. An error in its place would cost the backup the volume's PV, claim and
// Pod: Velero drops the whole chain of items (velero-facts, experiments).
const refusedPrefix = "failed:"

// maxReason is how much of a reason an id keeps, in bytes.
const maxReason = 2048

// idOfRefused returns the id that stands for a job that could not be begun.
func idOfRefused(reason error) string {
	text := strings.Join(strings.Fields(reason.Error()), " ")
	if len(text) > maxReason {
		const cut = "…"
		end := maxReason - len(cut)
		for !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end] + cut
	}
	return refusedPrefix + text
}

var (
	errNoSnapshot = errors.New("the backup names no snapshot for this volume: its data was not backed up")
	errRefused    = errors.New("the data of this volume was not backed up, so that there is none to restore; restore this volume from another backup. The reason was")
	errNotOurs    = errors.New("is not the id of a Cloud Backup snapshot: expected the form cn-hangzhou/v-…/nas/agentless/job-…; was the backup made by another plugin, or by a newer version of this one?")
)

var snapshotIDForm = regexp.MustCompile(`^([a-z]+(?:-[a-z0-9]+)+)/(v-[A-Za-z0-9]{1,128})/([A-Za-z]+)/([a-z]+)/([A-Za-z0-9][A-Za-z0-9._-]{0,127})$`)

// String returns what Velero keeps.
func (s snapshotID) String() string {
	text := strings.Join([]string{s.region, s.vault, string(s.kind), string(s.method), s.job}, "/")
	if encoded := s.source.encode(); encoded != "" {
		text += "?" + encoded
	}
	return text
}

// waitingJobName matches the names that jobs on nodes will have, which stand for the ids
// of jobs that are yet to be begun. Those of old end with eight digits.
var waitingJobName = regexp.MustCompile(`-hbr-[0-9a-f]{8}-(?:[0-9a-f]{8}|[a-z2-7]{10})$`)

// waits tells whether the job had to wait when Velero was told the id. It has begun since,
// or never will.
func (s snapshotID) waits() bool { return s.method == onNode && waitingJobName.MatchString(s.job) }

// check returns an error where String writes what parseSnapshotID does not read.
func (s snapshotID) check() error {
	again, err := parseSnapshotID(s.String())
	if err == nil && again != s {
		err = fmt.Errorf("%q reads as another one", s.String())
	}
	return err
}

// parseSnapshotID reads what Velero kept. It takes what String writes and nothing else.
func parseSnapshotID(text string) (snapshotID, error) {
	if text == "" {
		return snapshotID{}, errNoSnapshot
	}
	if reason, refused := strings.CutPrefix(text, refusedPrefix); refused {
		return snapshotID{}, fmt.Errorf("%w: %s", errRefused, reason)
	}
	name, rawQuery, _ := strings.Cut(text, "?")
	match := snapshotIDForm.FindStringSubmatch(name)
	if match == nil {
		return snapshotID{}, fmt.Errorf("%q %w", text, errNotOurs)
	}
	read := snapshotID{region: match[1], vault: match[2], kind: volume.Kind(match[3]), method: method(match[4]), job: match[5]}
	if query, err := url.ParseQuery(rawQuery); err == nil {
		read.source.take(query)
	}
	if read.String() != text || !slices.Contains(kinds(), read.kind) || read.method != agentless && read.method != onNode {
		return snapshotID{}, fmt.Errorf("%q %w", text, errNotOurs)
	}
	if err := read.source.check(); err != nil {
		return snapshotID{}, fmt.Errorf("the id of a Cloud Backup snapshot: %w", err)
	}
	return read, nil
}

// errOtherRegion is the backup center's own sentence.
var errOtherRegion = errors.New("only disk type PVs support cross-region restore in current version")

// in returns an error unless the snapshot can be restored in region: a vault is of one.
func (s snapshotID) in(region string) error {
	if s.region == region {
		return nil
	}
	return fmt.Errorf("%w: the snapshot is in %s, this cluster in %s", errOtherRegion, s.region, region)
}

// volumeID names a volume by its storage, as <kind>:<source>, such as
// nas:fileSystem=31a8e4&path=/data&server=….
type volumeID struct {
	kind   volume.Kind
	source storage
}

// String writes the id as parseVolumeID reads it.
func (v volumeID) String() string { return string(v.kind) + ":" + v.source.encode() }

// parseVolumeID reads the id of a volume, and tells whether it is one. It takes what
// String writes and nothing else.
func parseVolumeID(id string) (volumeID, bool) {
	kind, rawQuery, _ := strings.Cut(id, ":")
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return volumeID{}, false
	}
	read := volumeID{kind: volume.Kind(kind)}
	read.source.take(query)
	if read.String() != id || !slices.Contains(kinds(), read.kind) || read.source.check() != nil {
		return volumeID{}, false
	}
	return read, true
}
