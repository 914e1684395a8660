// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"sigs.k8s.io/yaml"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/document"
)

// TestReferenceHasEveryKey holds that the annotated location of the reference, with the keys that are commented out, is one,
// and that it and the text around it have the keys that a location takes, and no others.
func TestReferenceHasEveryKey(t *testing.T) {
	t.Parallel()
	shown, besides := referenceLocation(t, true)
	if _, err := parseLocation(shown); err != nil {
		t.Error(err)
	}
	described := slices.Collect(maps.Keys(shown))
	described = append(described, "caCert") // Of spec.objectStorage, as bucket and prefix.
	for _, key := range []string{"s3Url", "s3ForcePathStyle", "resticRepoPrefix", "zone", "notOnECS"} {
		if strings.Contains(besides, "`"+key) {
			described = append(described, key)
		}
	}
	slices.Sort(described)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(options())), described); diff != "" {
		t.Errorf("keys of a location (-accepted +described):\n%s", diff)
	}
}

// TestReferenceShowsDefaults holds that the annotated location is that of a bucket alone, but for the keys that have no default.
func TestReferenceShowsDefaults(t *testing.T) {
	t.Parallel()
	shown, _ := referenceLocation(t, false)
	for _, key := range []string{"region", "serverSideEncryption", "kmsKeyId", "tagging"} {
		if shown[key] == "" {
			t.Errorf("the annotated location lacks %s", key)
		}
		delete(shown, key)
	}
	got, err := parseLocation(shown)
	if err != nil {
		t.Fatal(err)
	}
	want := defaults(func(l *location) { l.bucket, l.prefix = shown["bucket"], shown["prefix"]+"/" })
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(location{})); diff != "" {
		t.Errorf("location (-defaults +shown):\n%s", diff)
	}
}

// referenceLocation is the config that Velero makes of the annotated location, if asked for with the keys that are
// commented out, and what the section says besides.
func referenceLocation(t *testing.T, withOptional bool) (config map[string]string, besides string) {
	t.Helper()
	section := document.Section(t, "../docs/objectstore.md", "A location, annotated")
	examples := document.Examples(section, "yaml")
	if len(examples) != 1 {
		t.Fatalf("the reference has %d annotated locations, want 1", len(examples))
	}
	example := examples[0]
	besides = strings.Replace(section, example, "", 1)
	if withOptional {
		example = document.WithOptionalKeys(example)
	}
	var shown velerov1.BackupStorageLocation
	if err := yaml.UnmarshalStrict([]byte(example), &shown); err != nil {
		t.Fatal(err)
	}
	shown.Spec.Config["bucket"], shown.Spec.Config["prefix"] = shown.Spec.ObjectStorage.Bucket, shown.Spec.ObjectStorage.Prefix
	return shown.Spec.Config, besides
}
