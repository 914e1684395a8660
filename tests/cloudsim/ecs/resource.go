// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"
)

// resource is what disks, snapshots, groups and instances have in common.
type resource struct {
	id, account     string
	name            string
	description     string
	resourceGroupID string
	created         time.Time
	// sequence is the order in which resources were made.
	sequence int64
	tags     map[string]string
}

func (r *resource) common() *resource { return r }

// owned is anything that embeds resource.
type owned interface{ common() *resource }

// newestFirst returns the account's resources that a filter lets through.
func newestFirst[T owned](all map[string]T, account string, keep func(T) bool) []T {
	var some []T
	for _, item := range all {
		if item.common().account == account && keep(item) {
			some = append(some, item)
		}
	}
	slices.SortFunc(some, func(a, b T) int { return cmp.Compare(b.common().sequence, a.common().sequence) })
	return some
}

// find returns the account's resource with an id.
func find[T owned](all map[string]T, account, id string) (T, bool) {
	item, ok := all[id]
	if !ok || item.common().account != account {
		var none T
		return none, false
	}
	return item, true
}

// timeOf is how the API writes a time. It is empty for the time of what has not happened.
func timeOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

// fields are the parameters that name and describe a new resource, with the errors that the operation gives for them.
type fields struct {
	name, description       string
	badName, badDescription *rpc.Error
}

const (
	codeBadDescription    = "InvalidDescription.Malformed"
	messageBadDescription = "The specified description is wrongly formed."
)

func badSnapshotName(refuse func(code, message string) *rpc.Error) *rpc.Error {
	return refuse("InvalidSnapshotName.Malformed", "The specified SnapshotName is wrongly formed.")
}

func diskFields() fields {
	return fields{
		name: "DiskName", badName: rpc.BadRequest("InvalidDiskName.Malformed", "The specified disk name is wrongly formed."),
		description: "Description", badDescription: rpc.BadRequest(codeBadDescription, messageBadDescription),
	}
}

func snapshotFields() fields {
	return fields{
		name: "SnapshotName", badName: badSnapshotName(rpc.BadRequest),
		description: "Description", badDescription: rpc.NotFound(codeBadDescription, messageBadDescription),
	}
}

func copyFields() fields {
	return fields{
		name: "DestinationSnapshotName", badName: badSnapshotName(rpc.Forbidden),
		description:    "DestinationSnapshotDescription",
		badDescription: rpc.Forbidden(codeBadDescription, messageBadDescription),
	}
}

func groupFields() fields {
	return fields{
		name: "Name", badName: invalidParameter("Name"),
		description: "Description", badDescription: invalidParameter("Description"),
	}
}

// readResource reads what most resources are made with: name, description, tags and resource group.
func readResource(r *request, idPrefix string, f fields) (resource, error) {
	name, description := r.Params.String(f.name), r.Params.String(f.description)
	if !validName(name) {
		return resource{}, f.badName
	}
	if !validDescription(description) {
		return resource{}, f.badDescription
	}
	tags, err := readTags(r.Params)
	if err != nil {
		return resource{}, err
	}
	if len(tags) > maxTags {
		return resource{}, rpc.Forbidden("QuotaExceed.Tags", "The number of specified tags exceeds the upper limit.")
	}
	return resource{
		id: newID(idPrefix), account: r.Caller.AccountID, name: name, description: description, tags: tags,
		resourceGroupID: r.Params.String("ResourceGroupId"), created: r.now,
	}, nil
}

// validName says whether a name is empty, or 2 to 128 characters, begins with a letter and has nothing but letters,
// digits and ":_.-". The names of automatic snapshots begin with auto.
func validName(name string) bool {
	if name == "" {
		return true
	}
	if n := utf8.RuneCountInString(name); n < 2 || n > 128 {
		return false
	}
	first, _ := utf8.DecodeRuneInString(name)
	if !isLetter(first) || strings.HasPrefix(name, "auto") || strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://") {
		return false
	}
	return strings.IndexFunc(name, func(c rune) bool {
		return !isLetter(c) && (c < '0' || c > '9') && !strings.ContainsRune(":_.-", c)
	}) < 0
}

// isLetter is true also of Chinese characters, which the API takes for letters.
func isLetter(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x4e00 && c <= 0x9fff
}

// validDescription says whether a description is empty, or 2 to 256 characters and no address.
func validDescription(s string) bool {
	if s == "" {
		return true
	}
	n := utf8.RuneCountInString(s)
	return n >= 2 && n <= 256 && !strings.HasPrefix(s, "http://") && !strings.HasPrefix(s, "https://")
}
