// SPDX-License-Identifier: Apache-2.0

package imagemapping_test

import (
	"strings"
	"testing"

	"github.com/distribution/reference"
	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/imagemapping"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
)

// outcome returns what becomes of image, and whether data is accepted and the image
// is one. It holds that the outcome is an image, and always the same.
func outcome(t *testing.T, data map[string]string, image string) (imagemapping.Change, bool) {
	t.Helper()
	mapping, err := settings.Decode[imagemapping.Mapping](configMap(data))
	if err != nil {
		if !strings.HasPrefix(err.Error(), "ConfigMap velero/images, key ") {
			t.Errorf("error %q does not say where", err)
		}
		return imagemapping.Change{}, false
	}
	parsed, err := imagemapping.ParseImage(image)
	if err != nil {
		return imagemapping.Change{}, false
	}
	change, err := mapping.Map(parsed)
	if err != nil {
		// The new name is too long.
		return imagemapping.Change{}, false
	}
	if again, err := mapping.Map(parsed); err != nil || !cmp.Equal(change, again) {
		t.Errorf("%q: %v, then %v (error %v)", image, change, again, err)
	}
	if _, err := imagemapping.ParseImage(change.Image); err != nil {
		t.Errorf("%q by %q becomes %q: %v", image, data, change.Image, err)
	}
	if (change.By == nil) != (change.Image == image) {
		t.Errorf("%q by %q becomes %q by %q", image, data, change.Image, change.By)
	}
	if change.DroppedDigest != "" && (!strings.Contains(image, change.DroppedDigest) || strings.Contains(change.Image, change.DroppedDigest)) {
		t.Errorf("%q becomes %q, dropping %q", image, change.Image, change.DroppedDigest)
	}
	return change, true
}

// named returns the parts of an image.
func named(t *testing.T, image string) (repository, tag string) {
	t.Helper()
	ref, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		t.Fatal(err)
	}
	if tagged, ok := ref.(reference.Tagged); ok {
		tag = tagged.Tag()
	}
	return ref.Name(), tag
}

// FuzzImageRow holds that a row that is accepted changes an image of its old side,
// and that one about tags changes nothing else.
func FuzzImageRow(f *testing.F) {
	for _, row := range []string{
		"app1:v1,app2:v2", "app1,app2", "v1:v2", "v1,v2", "docker.io/library/app1:v1,reg.cn/my/app2:v2",
		"reg:5000/a,b", "library/a,a", "index.docker.io/a,a:latest", "V1,V2", "1.1.1.1:5000,2.2.2.2:3000", ",", "a,,b",
		"a@" + digest + ",b@" + otherDigest,
	} {
		f.Add(row, "app1:v1")
		f.Add(row, "reg.local:5000/team/app1:v1@"+digest)
	}
	f.Fuzz(func(t *testing.T, text, image string) {
		if change, ok := outcome(t, row(text), image); ok && change.By != nil && !strings.Contains(text, ",") {
			oldRepository, _ := named(t, image)
			newRepository, tag := named(t, change.Image)
			if _, want, _ := strings.Cut(text, ":"); oldRepository != newRepository || tag != strings.TrimSpace(want) {
				t.Errorf("%q by %q becomes %q", image, text, change.Image)
			}
		}
		if _, err := settings.Decode[imagemapping.Mapping](configMap(row(text))); err != nil {
			return
		}
		old, _, isImage := strings.Cut(strings.TrimSpace(text), ",")
		if !isImage {
			old, _, _ = strings.Cut(strings.TrimSpace(text), ":")
		}
		old = strings.TrimSpace(old)
		matched := false
		for _, example := range []string{old, "reg.local/x/" + old, "reg.local/x:" + old} {
			change, ok := outcome(t, row(text), example)
			matched = matched || ok && change.By != nil
		}
		if !matched && len(text) < 200 {
			t.Errorf("the row %q matches no image", text)
		}
	})
}

// FuzzImageRegistry holds that a prefix is replaced by its replacement, and that no
// more is: the tag and the end of the path stay.
func FuzzImageRegistry(f *testing.F) {
	f.Add("docker.io/library/", "reg.cn/my/", "nginx")
	f.Add("reg.local:5000", "[::1]:5000", "reg.local:5000/team/app1:5000")
	f.Add("quay.io/team/app1", "reg.cn/app2", "quay.io/team/app1:v1@"+digest)
	f.Add("Index.docker.io", "docker.io/library", "docker.io/a")
	f.Fuzz(func(t *testing.T, from, to, image string) {
		quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
		change, ok := outcome(t, registries(quote(from)+": "+quote(to)), image)
		if !ok || change.By == nil {
			return
		}
		_, oldTag := named(t, image)
		newRepository, newTag := named(t, change.Image)
		if oldTag != newTag {
			t.Errorf("%q becomes %q", image, change.Image)
		}
		registry, _, _ := strings.Cut(strings.TrimSuffix(to, "/"), "/")
		registry = strings.ToLower(registry)
		if registry == "index.docker.io" {
			registry = "docker.io"
		}
		if !strings.HasPrefix(newRepository, registry+"/") {
			t.Errorf("%q by %q: %q becomes %q", image, from, to, change.Image)
		}
	})
}
