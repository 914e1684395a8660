// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"
)

// Limits of tags.
const (
	maxTags         = 20
	maxTagLength    = 128
	maxTagResources = 50
)

// tagView is a tag as the API writes it.
type tagView struct {
	Key   string `json:"TagKey"`
	Value string `json:"TagValue"`
}

type tagViews struct {
	Tag []tagView `json:"Tag"`
}

func viewTags(tags map[string]string) tagViews {
	views := tagViews{Tag: []tagView{}}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		views.Tag = append(views.Tag, tagView{Key: key, Value: tags[key]})
	}
	return views
}

// tagGroups returns the tags of a call. Their fields are Key and Value, in older clients key and value.
func tagGroups(p rpc.Params) []tagView {
	groups := p.Groups("Tag")
	all := make([]tagView, 0, len(groups))
	for _, g := range groups {
		t := tagView{Key: g.String("Key"), Value: g.String("Value")}
		if t.Key == "" {
			t = tagView{Key: g.String("key"), Value: g.String("value")}
		}
		all = append(all, t)
	}
	return all
}

// readTags reads the tags of what is to be made or tagged.
func readTags(p rpc.Params) (map[string]string, error) {
	tags := map[string]string{}
	for _, t := range tagGroups(p) {
		if !validTag(t.Key) || t.Key == "" || strings.HasPrefix(t.Key, "aliyun") || strings.HasPrefix(t.Key, "acs:") {
			return nil, rpc.BadRequest("InvalidTagKey.Malformed", "The specified Tag.n.Key is not valid.")
		}
		if !validTag(t.Value) {
			return nil, rpc.BadRequest("InvalidTagValue.Malformed", "The specified Tag.n.Value is not valid.")
		}
		if _, twice := tags[t.Key]; twice {
			return nil, rpc.BadRequest("Duplicate.TagKey", "The Tag.N.Key contain duplicate key.")
		}
		tags[t.Key] = t.Value
	}
	return tags, nil
}

// validTag checks what holds for keys and values alike.
func validTag(s string) bool {
	return utf8.RuneCountInString(s) <= maxTagLength && !strings.Contains(s, "http://") && !strings.Contains(s, "https://")
}

// readTagFilter reads the tags of a list operation. One without a value matches every value.
func readTagFilter(p rpc.Params) []tagView { return tagGroups(p) }

func matchTags(tags map[string]string, wanted []tagView) bool {
	for _, t := range wanted {
		if value, ok := tags[t.Key]; !ok || t.Value != "" && t.Value != value {
			return false
		}
	}
	return true
}

// tagged finds a resource by the type that the operations on tags name.
func (r *region) tagged(kind, account, id string) (*resource, bool) {
	switch kind {
	case "disk":
		return commonOf(r.disks, account, id)
	case "snapshot":
		return commonOf(r.snapshots, account, id)
	case "snapshotgroup":
		return commonOf(r.groups, account, id)
	case "instance":
		return commonOf(r.instances, account, id)
	default:
		return nil, false
	}
}

func commonOf[T owned](all map[string]T, account, id string) (*resource, bool) {
	item, ok := find(all, account, id)
	if !ok {
		return nil, false
	}
	return item.common(), true
}

func validKind(kind string) bool {
	return slices.Contains([]string{"disk", "snapshot", "snapshotgroup", "instance"}, kind)
}

// taggedResources finds the resources that a call on tags names.
func taggedResources(r *request) ([]*resource, error) {
	kind, ids := r.Params.String("ResourceType"), r.Params.List("ResourceId")
	if !validKind(kind) {
		return nil, rpc.NotFound("InvalidResourceType.NotFound", "The ResourceType provided does not exist in our records.")
	}
	if len(ids) > maxTagResources {
		return nil, rpc.BadRequest("NumberExceed.ResourceIds", "The ResourceIds parameter's number is exceed , Valid : 50")
	}
	var all []*resource
	for _, id := range ids {
		item, ok := r.region.tagged(kind, r.Caller.AccountID, id)
		if !ok {
			return nil, rpc.NotFound("InvalidResourceId.NotFound", "The specified ResourceIds are not found in our records.")
		}
		all = append(all, item)
	}
	return all, nil
}

func (s *Service) tagResources(r *request) (any, error) {
	resources, err := taggedResources(r)
	if err != nil {
		return nil, err
	}
	tags, err := readTags(r.Params)
	if err != nil {
		return nil, err
	}
	if len(tags) > maxTags {
		return nil, rpc.BadRequest("NumberExceed.Tags", "The Tags parameter's number is exceed , Valid : 20")
	}
	changed := make([]map[string]string, len(resources))
	for i, item := range resources {
		changed[i] = mergeTags(item.tags, tags)
		if len(changed[i]) > maxTags {
			return nil, rpc.BadRequest("OperationDenied.QuotaExceed",
				"The quota of tags on resource is beyond permitted range.")
		}
	}
	for i, item := range resources {
		item.tags = changed[i]
	}
	return nil, nil //nolint:nilnil // the answer has nothing but its id
}

func mergeTags(old, added map[string]string) map[string]string {
	merged := maps.Clone(old)
	if merged == nil {
		merged = map[string]string{}
	}
	maps.Copy(merged, added)
	return merged
}

func (s *Service) untagResources(r *request) (any, error) {
	resources, err := taggedResources(r)
	if err != nil {
		return nil, err
	}
	keys := r.Params.List("TagKey")
	for _, item := range resources {
		if len(keys) == 0 && r.Params.Bool("All") {
			item.tags = nil
			continue
		}
		item.tags = maps.Clone(item.tags)
		for _, key := range keys {
			delete(item.tags, key)
		}
	}
	return nil, nil //nolint:nilnil // the answer has nothing but its id
}

type taggedView struct {
	ResourceID   string `json:"ResourceId"`
	ResourceType string `json:"ResourceType"`
	tagView
}

type tagsAnswer struct {
	NextToken    string `json:"NextToken"`
	TagResources struct {
		TagResource []taggedView `json:"TagResource"`
	} `json:"TagResources"`
}

// listTagResources lists the tags of resources, or of all resources that have certain tags. A page is 50 resources.
func (s *Service) listTagResources(r *request) (any, error) {
	resources, err := taggedResources(r)
	if err != nil {
		return nil, err
	}
	kind, wanted := r.Params.String("ResourceType"), readTagFilter(r.Params)
	if len(resources) == 0 {
		resources = r.region.allTagged(kind, r.Caller.AccountID)
	}
	resources = slices.DeleteFunc(resources, func(item *resource) bool { return !matchTags(item.tags, wanted) })
	p, err := readPage(r.Params, maxTagResources, maxTagResources)
	if err != nil {
		return nil, err
	}
	p.size, p.number = maxTagResources, 1
	some, paging := paginate(p, resources)
	answer := tagsAnswer{NextToken: paging.NextToken}
	answer.TagResources.TagResource = []taggedView{}
	for _, item := range some {
		for _, t := range viewTags(item.tags).Tag {
			answer.TagResources.TagResource = append(answer.TagResources.TagResource, taggedView{
				ResourceID: item.id, ResourceType: kind, tagView: t,
			})
		}
	}
	return answer, nil
}

// allTagged returns the account's resources of a type, newest first.
func (r *region) allTagged(kind, account string) []*resource {
	switch kind {
	case "disk":
		return commons(r.disks, account)
	case "snapshot":
		return commons(r.snapshots, account)
	case "snapshotgroup":
		return commons(r.groups, account)
	default:
		return commons(r.instances, account)
	}
}

func commons[T owned](all map[string]T, account string) []*resource {
	items := newestFirst(all, account, func(T) bool { return true })
	some := make([]*resource, 0, len(items))
	for _, item := range items {
		some = append(some, item.common())
	}
	return some
}
