// SPDX-License-Identifier: Apache-2.0

package oss_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	sdk "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/google/go-cmp/cmp"
)

// oddKeys are names that a wrong encoding spoils.
func oddKeys() []string {
	return []string{"a b", "a%20b", "a+b", "a&b=c", "dir/<x>", "dir/ü", "dir/日本", "q?#", "tab\tend", "x'\"y", "ctl\x01"}
}

func TestListingsGiveEveryKeyOnce(t *testing.T) {
	c := newCloud(t, nil)
	want := oddKeys()
	for i := range 250 {
		want = append(want, fmt.Sprintf("many/%03d", i))
	}
	slices.Sort(want)
	for _, key := range want {
		must(t, c.service.Put(bucket, key, []byte(key)))
	}
	for name, edit := range map[string]func(*sdk.Config){"V4": func(*sdk.Config) {}, "V1": v1} {
		t.Run("version 1, signed with "+name, func(t *testing.T) {
			var got []string
			pages := c.root(edit).NewListObjectsPaginator(&sdk.ListObjectsRequest{Bucket: sdk.Ptr(bucket)})
			for pages.HasNext() {
				p, err := pages.NextPage(t.Context())
				must(t, err)
				got = append(got, keysOf(t, p.Contents)...)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
		})
		t.Run("version 2, signed with "+name, func(t *testing.T) {
			var got []string
			pages := c.root(edit).NewListObjectsV2Paginator(
				&sdk.ListObjectsV2Request{Bucket: sdk.Ptr(bucket), MaxKeys: 7, FetchOwner: true})
			for pages.HasNext() {
				p, err := pages.NextPage(t.Context())
				must(t, err)
				if p.KeyCount != len(p.Contents) || p.Contents[0].Owner == nil || *p.Contents[0].Owner.ID != ownerID {
					t.Errorf("page = %+v, want its key count and the owner", p)
				}
				got = append(got, keysOf(t, p.Contents)...)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
		})
	}
}

func keysOf(t *testing.T, contents []sdk.ObjectProperties) []string {
	t.Helper()
	var keys []string
	for _, o := range contents {
		if o.Size != int64(len(*o.Key)) || *o.StorageClass != "Standard" || *o.Type != "Normal" || o.LastModified == nil {
			t.Errorf("object = %+v, want its size, class, type and time", o)
		}
		keys = append(keys, *o.Key)
	}
	return keys
}

func TestOnePageIsAHundredKeysUnlessMoreAreAskedFor(t *testing.T) {
	c := newCloud(t, nil)
	for i := range 1001 {
		must(t, c.service.Put(bucket, strconv.Itoa(i), nil))
	}
	for limit, want := range map[int32]int{0: 100, 1000: 1000} {
		r, err := c.root().ListObjects(t.Context(), &sdk.ListObjectsRequest{Bucket: sdk.Ptr(bucket), MaxKeys: limit})
		must(t, err)
		if len(r.Contents) != want || !r.IsTruncated {
			t.Errorf("max-keys %d: %d keys, truncated %t; want %d and more to come", limit, len(r.Contents), r.IsTruncated, want)
		}
	}
}

func TestListingADirectory(t *testing.T) {
	c := newCloud(t, nil)
	for _, key := range []string{"dir/", "dir/a/1", "dir/a/2", "dir/b", "dir/c/1", "other"} {
		must(t, c.service.Put(bucket, key, []byte(key)))
	}
	r, err := c.root().ListObjectsV2(t.Context(), &sdk.ListObjectsV2Request{
		Bucket: sdk.Ptr(bucket), Prefix: sdk.Ptr("dir/"), Delimiter: sdk.Ptr("/"), StartAfter: sdk.Ptr("dir/"),
	})
	must(t, err)
	var prefixes []string
	for _, p := range r.CommonPrefixes {
		prefixes = append(prefixes, *p.Prefix)
	}
	got := [][]string{keysOf(t, r.Contents), prefixes}
	if diff := cmp.Diff([][]string{{"dir/b"}, {"dir/a/", "dir/c/"}}, got); diff != "" {
		t.Errorf("keys and prefixes (-want +got):\n%s", diff)
	}
}
