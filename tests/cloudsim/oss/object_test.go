// SPDX-License-Identifier: Apache-2.0

package oss_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	sdk "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/google/go-cmp/cmp"
)

func TestObjectSurvivesTheRoundTrip(t *testing.T) {
	for name, edit := range map[string]func(*sdk.Config){
		"signed with V4": func(*sdk.Config) {},
		"signed with V1": v1,
	} {
		t.Run(name, func(t *testing.T) {
			cloud := newCloud(t, nil)
			client := cloud.root(edit)
			for _, key := range []string{"a", "dir/b c+d", "ünï/日本/%2F&=?#~!'()*", strings.Repeat("k", 1023)} {
				body := []byte("content of " + key)
				_, err := client.PutObject(t.Context(), &sdk.PutObjectRequest{
					Bucket: sdk.Ptr(bucket), Key: sdk.Ptr(key), Body: bytes.NewReader(body),
					Metadata: map[string]string{"color": "blue"},
				})
				must(t, err)
				got, err := client.GetObject(t.Context(), &sdk.GetObjectRequest{Bucket: sdk.Ptr(bucket), Key: sdk.Ptr(key)})
				must(t, err)
				data, err := io.ReadAll(got.Body)
				must(t, err)
				if diff := cmp.Diff(string(body), string(data)); diff != "" {
					t.Errorf("key %q (-want +got):\n%s", key, diff)
				}
				if got.Metadata["color"] != "blue" {
					t.Errorf("metadata = %v, want color blue", got.Metadata)
				}
				_, err = client.HeadObject(t.Context(), &sdk.HeadObjectRequest{Bucket: sdk.Ptr(bucket), Key: sdk.Ptr(key)})
				must(t, err)
				_, err = client.DeleteObject(t.Context(), &sdk.DeleteObjectRequest{Bucket: sdk.Ptr(bucket), Key: sdk.Ptr(key)})
				must(t, err)
				_, err = client.HeadObject(t.Context(), &sdk.HeadObjectRequest{Bucket: sdk.Ptr(bucket), Key: sdk.Ptr(key)})
				want := refusal{404, "NoSuchKey", "The specified key does not exist.", "0026-00000001"}
				if diff := cmp.Diff(want, refusalOf(t, err)); diff != "" {
					t.Errorf("after deletion of %q (-want +got):\n%s", key, diff)
				}
			}
		})
	}
}
