// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// snapshotID names a snapshot of any region. Velero keeps it as <region>/<id>. The
// official plugin's ids are bare: their region is the location's.
type snapshotID struct {
	region string
	id     string
}

// refusedPrefix begins the id that stands for a snapshot that ECS refused to make,
// before the reason. An error in its place would cost the backup the volume's PV,
// claim and Pod: Velero drops the whole chain of items (velero-facts, experiments).
const refusedPrefix = "failed:"

// idOfRefused returns the id that stands for a snapshot that was refused.
func idOfRefused(reason error) string {
	return refusedPrefix + strings.Join(strings.Fields(reason.Error()), " ")
}

var (
	errNoSnapshot = errors.New("the backup names no snapshot for this volume: its data was not backed up")
	errRefused    = errors.New("the snapshot was refused when the backup was made, so that there is no data to restore; restore this volume from another backup. The refusal was")
)

var snapshotIDForm = regexp.MustCompile(`^(?:([a-z]+(?:-[a-z0-9]+)+)/)?(s-[A-Za-z0-9]+)$`)

// parseSnapshotID reads what Velero kept. The region of a bare id is here.
func parseSnapshotID(text, here string) (snapshotID, error) {
	if text == "" {
		return snapshotID{}, errNoSnapshot
	}
	if reason, refused := strings.CutPrefix(text, refusedPrefix); refused {
		return snapshotID{}, fmt.Errorf("%w: %s", errRefused, reason)
	}
	match := snapshotIDForm.FindStringSubmatch(text)
	if match == nil {
		return snapshotID{}, fmt.Errorf("%q is not the id of an ECS snapshot: expected the form cn-hangzhou/s-bp1… or s-bp1…; was the backup made by another plugin?", text)
	}
	if match[1] != "" {
		here = match[1]
	}
	return snapshotID{region: here, id: match[2]}, nil
}

// String returns what Velero keeps.
func (s snapshotID) String() string { return s.region + "/" + s.id }

// order is what Velero says of a disk that it wants to have made.
type order struct {
	snapshot snapshotID
	// kind, zone and iops are what the backup notes besides the snapshot's id. They
	// are all there is where the snapshot's tags say nothing.
	kind volume.DiskType
	zone string
	iops int64
}

// pendingPrefix begins the id of a volume whose disk cannot be made yet.
const pendingPrefix = "pending:"

// pendingID returns the id of the volume until its disk is made. It holds all of
// the order, for the disk is made by a process that knows nothing else of it.
func (o order) pendingID() string {
	query := url.Values{}
	for key, value := range map[string]string{"type": o.kind.String(), "zone": o.zone} {
		if value != "" {
			query.Set(key, value)
		}
	}
	if o.iops != 0 {
		query.Set("iops", strconv.FormatInt(o.iops, 10))
	}
	id := pendingPrefix + o.snapshot.String()
	if len(query) > 0 {
		id += "?" + query.Encode()
	}
	return id
}

// parsePendingID returns the order in a volume's id, and whether it is one.
func parsePendingID(id string) (order, bool) {
	text, ok := strings.CutPrefix(id, pendingPrefix)
	if !ok {
		return order{}, false
	}
	name, rawQuery, _ := strings.Cut(text, "?")
	snapshot, err := parseSnapshotID(name, "")
	if err != nil || snapshot.region == "" {
		return order{}, false
	}
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return order{}, false
	}
	iops, _ := strconv.ParseInt(query.Get("iops"), 10, 64) // 0 for none
	return order{snapshot: snapshot, kind: volume.ParseDiskType(query.Get("type")), zone: query.Get("zone"), iops: iops}, true
}
