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

// timeOf is how the API writes a time.
func timeOf(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// readResource reads what most resources are made with: name, description, tags and resource group. The prefix is
// that of the parameters: SnapshotName, DestinationSnapshotName. An empty one is for those whose name is just Name.
func readResource(r *request, idPrefix, kind string) (resource, error) {
	name := r.Params.String(kind + "Name")
	if !validName(name) {
		if kind == "" {
			return resource{}, invalidParameter("Name")
		}
		kind = strings.TrimPrefix(kind, "Destination")
		return resource{}, rpc.BadRequest("Invalid"+kind+"Name.Malformed", "The specified "+kind+"Name is wrongly formed.")
	}
	description := r.Params.String("Description")
	if kind == "DestinationSnapshot" {
		description = r.Params.String(kind + "Description")
	}
	if description != "" && !validDescription(description) {
		return resource{}, rpc.NotFound("InvalidDescription.Malformed", "The specified description is wrongly formed.")
	}
	tags, err := readTags(r.Params)
	if err != nil {
		return resource{}, err
	}
	if len(tags) > maxTags {
		return resource{}, tagQuota()
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

func validDescription(s string) bool {
	n := utf8.RuneCountInString(s)
	return n >= 2 && n <= 256 && !strings.HasPrefix(s, "http://") && !strings.HasPrefix(s, "https://")
}
