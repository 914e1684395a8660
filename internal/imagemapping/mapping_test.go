// SPDX-License-Identifier: Apache-2.0

package imagemapping_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/imagemapping"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
)

const (
	digest      = "sha256:7cc4b5aefd1d0cadf8d97d4350462ba51c694ebca145b08d7d41b41acc8db5aa"
	otherDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
)

func configMap(data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "velero", Name: "images"}, Data: data}
}

// change returns what becomes of an image by the data of a ConfigMap.
func change(t *testing.T, data map[string]string, image string) (imagemapping.Change, error) {
	t.Helper()
	mapping, err := settings.Decode[imagemapping.Mapping](configMap(data))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := imagemapping.ParseImage(image)
	if err != nil {
		t.Fatal(err)
	}
	return mapping.Map(parsed)
}

func row(text string) map[string]string { return map[string]string{"case1": text} }

func registries(text string) map[string]string {
	return map[string]string{"imageRegistryMapping": text}
}

type mapTest struct {
	data  map[string]string
	image string
	want  imagemapping.Change
}

func runMapTests(t *testing.T, tests map[string]mapTest) {
	t.Helper()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := change(t, test.data, test.image)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("change of %s (-want +got):\n%s", test.image, diff)
			}
		})
	}
}

// byRow is a change to image by the row case1.
func byRow(image string) imagemapping.Change {
	return imagemapping.Change{Image: image, By: []string{"case1"}}
}

func byRegistry(image string) imagemapping.Change {
	return imagemapping.Change{Image: image, By: []string{"imageRegistryMapping"}}
}

func unchanged(image string) imagemapping.Change { return imagemapping.Change{Image: image} }

// TestRows has the rows of the backup center's documents first.
func TestRows(t *testing.T) {
	t.Parallel()
	runMapTests(t, map[string]mapTest{
		"a whole image is replaced where it is": {
			data: row("app1:v1,app2:v2"), image: "docker.io/library/app1:v1", want: byRow("docker.io/library/app2:v2"),
		},
		"a repository is replaced, and the tag stays": {
			data: row("app1,app2"), image: "docker.io/library/app1:v1", want: byRow("docker.io/library/app2:v1"),
		},
		"a tag is replaced, written with a colon": {
			data: row("v1:v2"), image: "docker.io/library/app1:v1", want: byRow("docker.io/library/app1:v2"),
		},
		"a tag is replaced, written with a comma": {
			data: row("v1,v2"), image: "docker.io/library/app1:v1", want: byRow("docker.io/library/app1:v2"),
		},
		"an image in a registry is replaced by one in another": {
			data:  row("docker.io/library/app1:v1,registry.cn-beijing.aliyuncs.com/my-registry/app2:v2"),
			image: "docker.io/library/app1:v1", want: byRow("registry.cn-beijing.aliyuncs.com/my-registry/app2:v2"),
		},
		"an image that is written short is what its whole name says, and stays short": {
			data: row("docker.io/library/app1:v1,docker.io/library/app2:v2"), image: "app1:v1", want: byRow("app2:v2"),
		},
		"an image that becomes one of Docker Hub is written out": {
			data: row("reg.local/app1,docker.io/library/app1"), image: "reg.local/app1", want: byRow("docker.io/library/app1"),
		},
		"space around the sides is no part of them": {
			data: row(" app1 , app2 "), image: "app1", want: byRow("app2"),
		},
		"another tag does not match": {
			data: row("app1:v1,app2:v2"), image: "app1:v10", want: unchanged("app1:v10"),
		},
		"a name does not match the end of a longer one": {
			data: row("app1,app2"), image: "reg.local/my-app1:v1", want: unchanged("reg.local/my-app1:v1"),
		},
		"a name does not match a directory of the path": {
			data: row("app1,app2"), image: "reg.local/app1/web:v1", want: unchanged("reg.local/app1/web:v1"),
		},
		"a name does not match the registry": {
			data: row("reg,other"), image: "reg:5000/app1", want: unchanged("reg:5000/app1"),
		},
		"a port is no tag": {
			data: row("5000:6000"), image: "reg.local:5000/app1", want: unchanged("reg.local:5000/app1"),
		},
		"a tag that is like the port alone is replaced": {
			data: row("5000:6000"), image: "reg.local:5000/app1:5000", want: byRow("reg.local:5000/app1:6000"),
		},
		"a name matches in any registry, and what is before it stays": {
			data: row("app1,app2"), image: "reg.local:5000/team/app1:v1", want: byRow("reg.local:5000/team/app2:v1"),
		},
		"several components match on their boundaries": {
			data: row("team/app1,crew/web/app2"), image: "reg.local/x/team/app1", want: byRow("reg.local/x/crew/web/app2"),
		},
		"the library of Docker Hub's official images goes with a name of several words": {
			data: row("app1,team/app1"), image: "docker.io/library/app1:v1", want: byRow("docker.io/team/app1:v1"),
		},
		"a library of another registry is a directory as any": {
			data: row("app1,team/app1"), image: "harbor.local/library/app1", want: byRow("harbor.local/library/team/app1"),
		},
		"a name with library in it is looked for with it": {
			data: row("library/app1,app2"), image: "harbor.local/library/app1:v1", want: byRow("harbor.local/app2:v1"),
		},
		"a name in a registry matches in no other": {
			data: row("docker.io/library/app1,app2"), image: "reg.local/library/app1", want: unchanged("reg.local/library/app1"),
		},
		"a name in a registry matches no deeper path": {
			data: row("reg.local/app1,reg.local/app2"), image: "reg.local/team/app1", want: unchanged("reg.local/team/app1"),
		},
		"an old side in a registry makes the new one a whole image": {
			data: row("reg.local/team/app1:v1,app2:v2"), image: "reg.local/team/app1:v1", want: byRow("docker.io/library/app2:v2"),
		},
		"an old side in a registry makes the new one a whole image, with its path": {
			data: row("reg.local/team/app1:v1,team/app2:v2"), image: "reg.local/team/app1:v1", want: byRow("docker.io/team/app2:v2"),
		},
		"a new side in a registry is a whole image": {
			data: row("app1,reg.local/my/app1"), image: "quay.io/team/app1:v1", want: byRow("reg.local/my/app1:v1"),
		},
		"registries are the same in any case": {
			data: row("Reg.local/app1,reg.local/app2"), image: "REG.local/app1", want: byRow("reg.local/app2"),
		},
		"Docker Hub's other name is Docker Hub": {
			data: row("index.docker.io/app1,app2"), image: "app1:v1", want: byRow("app2:v1"),
		},
		"a new side without a tag leaves the tag": {
			data: row("app1:v1,app2"), image: "app1:v1", want: byRow("app2:v1"),
		},
		"an old side without a tag matches any": {
			data: row("app1,app2:v9"), image: "app1:v1", want: byRow("app2:v9"),
		},
		"an image without a tag has the tag latest": {
			data: row("latest:v1"), image: "app1", want: byRow("app1:v1"),
		},
		"an image with a digest has no tag that it does not name": {
			data: row("latest:v1"), image: "app1@" + digest, want: unchanged("app1@" + digest),
		},
		"a tag that no repository could be called is a tag": {
			data: row("V1.0_rc,V2"), image: "app1:V1.0_rc", want: byRow("app1:V2"),
		},
		"a version with a word at its end is a tag": {
			data: row("10.1.0.final,v11.0.final"), image: "app1:10.1.0.final", want: byRow("app1:v11.0.final"),
		},
		"tags that are like registries are written with a colon": {
			data: row("quay.io:reg.cn"), image: "app1:quay.io", want: byRow("app1:reg.cn"),
		},
		"a word that is name and tag is taken as the name": {
			data: row("app1,app2"), image: "app1:app1", want: byRow("app2:app1"),
		},
		"a row that changes its image into the same one changes nothing": {
			data: row("app1,reg.local/app1"), image: "reg.local/app1:v1", want: unchanged("reg.local/app1:v1"),
		},
	})
}

func TestDigests(t *testing.T) {
	t.Parallel()
	dropped := func(image, by string, floating bool) imagemapping.Change {
		return imagemapping.Change{Image: image, By: []string{by}, DroppedDigest: digest, Floating: floating}
	}
	runMapTests(t, map[string]mapTest{
		"a mapped registry keeps the digest": {
			data: registries("docker.io/: reg.local"), image: "team/app1@" + digest, want: byRegistry("reg.local/team/app1@" + digest),
		},
		"a mapped prefix keeps the digest, and the tag": {
			data: registries("docker.io/library/: reg.local/my/"), image: "app1:v1@" + digest, want: byRegistry("reg.local/my/app1:v1@" + digest),
		},
		"a prefix that gives the repository another name drops it": {
			data: registries("docker.io/library/app1: reg.local/my/app2"), image: "app1:v1@" + digest,
			want: dropped("reg.local/my/app2:v1", "imageRegistryMapping", false),
		},
		"a row that moves a repository to another registry keeps it": {
			data: row("docker.io/library/app1,reg.local/my/app1"), image: "app1@" + digest, want: byRow("reg.local/my/app1@" + digest),
		},
		"a row that names the tag again keeps it": {
			data: row("docker.io/library/app1:v1,reg.local/my/app1:v1"), image: "app1:v1@" + digest, want: byRow("reg.local/my/app1:v1@" + digest),
		},
		"another name drops it, and without a tag the image is whatever is the latest": {
			data: row("app1,app2"), image: "app1@" + digest, want: dropped("app2", "case1", true),
		},
		"another path in the same registry drops it": {
			data: row("team/app1,crew/app1"), image: "reg.local/team/app1:v1@" + digest, want: dropped("reg.local/crew/app1:v1", "case1", false),
		},
		"another tag drops it": {
			data: row("v1:v2"), image: "app1:v1@" + digest, want: dropped("app1:v2", "case1", false),
		},
		"a tag for a digest drops it, even if the image has both": {
			data: row("app1@" + digest + ",app1:v2"), image: "app1:v2@" + digest, want: dropped("app1:v2", "case1", false),
		},
		"a tag for any tag drops it, even if the image has that tag": {
			data: row("app1,app1:v9"), image: "app1:v9@" + digest, want: dropped("app1:v9", "case1", false),
		},
		"a new digest takes its place": {
			data: row("app1,app2@" + otherDigest), image: "app1:v1@" + digest, want: dropped("app2@"+otherDigest, "case1", false),
		},
		"a row about a digest matches it, whatever the tag": {
			data: row("app1@" + digest + ",app2:v2"), image: "app1:v1@" + digest, want: dropped("app2:v2", "case1", false),
		},
		"a row about a digest matches no other": {
			data: row("app1@" + digest + ",app2:v2"), image: "app1:v1@" + otherDigest, want: unchanged("app1:v1@" + otherDigest),
		},
	})
}

func TestRegistries(t *testing.T) {
	t.Parallel()
	const library = "docker.io/library/: registry.cn-beijing.aliyuncs.com/my-registry/"
	runMapTests(t, map[string]mapTest{
		"the prefix of an image is replaced": {
			data: registries(library), image: "docker.io/library/app1:v1", want: byRegistry("registry.cn-beijing.aliyuncs.com/my-registry/app1:v1"),
		},
		"an image that names no registry is one of Docker Hub": {
			data: registries(library), image: "nginx", want: byRegistry("registry.cn-beijing.aliyuncs.com/my-registry/nginx"),
		},
		"an image of Docker Hub that is not official is in no library": {
			data: registries(library), image: "bitnami/nginx", want: unchanged("bitnami/nginx"),
		},
		"a prefix without a slash matches on the boundary of a component": {
			data:  registries("anolis-registry.cn-zhangjiakou.cr.aliyuncs.com/openanolis: registry.cn-beijing.aliyuncs.com/acr"),
			image: "anolis-registry.cn-zhangjiakou.cr.aliyuncs.com/openanolis/nginx:1.14.1-8.6",
			want:  byRegistry("registry.cn-beijing.aliyuncs.com/acr/nginx:1.14.1-8.6"),
		},
		"a prefix does not match within a component": {
			data: registries("reg.local/team: reg.cn/team"), image: "reg.local/teams/app1", want: unchanged("reg.local/teams/app1"),
		},
		"a registry with another port is another": {
			data: registries("reg.local:5000: reg.cn"), image: "reg.local:5001/app1", want: unchanged("reg.local:5001/app1"),
		},
		"a registry with a port is replaced": {
			data: registries("reg.local:5000: 127.0.0.1:6000/mirror"), image: "reg.local:5000/team/app1:5000", want: byRegistry("127.0.0.1:6000/mirror/team/app1:5000"),
		},
		"a slash at the end of one side alone makes no difference below": {
			data: registries("quay.io/team/: reg.cn"), image: "quay.io/team/app1", want: byRegistry("reg.cn/app1"),
		},
		"the longest prefix is replaced": {
			data:  registries("quay.io: reg.cn/a\nquay.io/team/web: reg.cn/b\nquay.io/team: reg.cn/c"),
			image: "quay.io/team/web/app1", want: byRegistry("reg.cn/b/app1"),
		},
		"a prefix without a slash is also a repository": {
			data: registries("quay.io/team/app1: reg.cn/app2"), image: "quay.io/team/app1:v1", want: byRegistry("reg.cn/app2:v1"),
		},
		"a prefix with a slash is no repository": {
			data: registries("quay.io/team/app1/: reg.cn/app2"), image: "quay.io/team/app1:v1", want: unchanged("quay.io/team/app1:v1"),
		},
		"a registry takes the place of no repository": {
			data: registries("quay.io/app1: reg.cn"), image: "quay.io/app1:v1", want: unchanged("quay.io/app1:v1"),
		},
		"a repository of one word at Docker Hub is in its library": {
			data: registries("docker.io/nginx: reg.cn/my/web\ndocker.io/library: reg.cn/library"), image: "nginx:1", want: byRegistry("reg.cn/my/web:1"),
		},
		"a repository of one word at Docker Hub is a directory too": {
			data: registries("docker.io/nginx: reg.cn/my"), image: "nginx/ingress", want: byRegistry("reg.cn/my/ingress"),
		},
		"a directory of one word at Docker Hub is no repository": {
			data: registries("docker.io/nginx/: reg.cn/my"), image: "nginx", want: unchanged("nginx"),
		},
		"a directory of one word goes to a registry, the repository cannot": {
			data: registries("docker.io/nginx: reg.cn"), image: "nginx", want: unchanged("nginx"),
		},
		"the library is no repository in itself": {
			data: registries("docker.io/library: reg.cn/my"), image: "library", want: byRegistry("reg.cn/my/library"),
		},
		"the whole name of a repository comes before the short one": {
			data: registries("docker.io/nginx: reg.cn/a\ndocker.io/library/nginx: reg.cn/b"), image: "nginx", want: byRegistry("reg.cn/b"),
		},
		"one entry is applied, not one to the outcome of another": {
			data: registries("a.local: b.local\nb.local: c.local"), image: "a.local/app1", want: byRegistry("b.local/app1"),
		},
		"Docker Hub's other name, in any case, is Docker Hub": {
			data: registries("Index.Docker.io/library: reg.cn"), image: "nginx:1", want: byRegistry("reg.cn/nginx:1"),
		},
	})
}

func TestRowsAndRegistries(t *testing.T) {
	t.Parallel()
	with := func(rows map[string]string) map[string]string {
		rows["imageRegistryMapping"] = "docker.io/library/: reg.cn/my"
		return rows
	}
	runMapTests(t, map[string]mapTest{
		"a row without a registry, then the registry": {
			data: with(row("app1:v1,app2:v2")), image: "app1:v1",
			want: imagemapping.Change{Image: "reg.cn/my/app2:v2", By: []string{"case1", "imageRegistryMapping"}},
		},
		"a row about a tag, then the registry": {
			data: with(row("v1:v2")), image: "app1:v1",
			want: imagemapping.Change{Image: "reg.cn/my/app1:v2", By: []string{"case1", "imageRegistryMapping"}},
		},
		"a row with a registry is applied alone": {
			data: with(row("docker.io/library/app1,app2")), image: "app1:v1", want: byRow("app2:v1"),
		},
		"no row, the registry alone": {
			data: with(row("app2,app3")), image: "app1:v1", want: byRegistry("reg.cn/my/app1:v1"),
		},
	})
}

func TestTheMostSpecificRowIsApplied(t *testing.T) {
	t.Parallel()
	by := func(key, image string) imagemapping.Change {
		return imagemapping.Change{Image: image, By: []string{key}}
	}
	runMapTests(t, map[string]mapTest{
		"one with a registry before one without": {
			data:  map[string]string{"case1": "team/app1:v1,x:x", "case2": "reg.local/team/app1,reg.local/y"},
			image: "reg.local/team/app1:v1", want: by("case2", "reg.local/y:v1"),
		},
		"one with more components before one with a tag": {
			data:  map[string]string{"case1": "app1:v1,x:x", "case2": "team/app1,y"},
			image: "reg.local/team/app1:v1", want: by("case2", "reg.local/y:v1"),
		},
		"one with a digest before one with a tag": {
			data:  map[string]string{"case1": "app1:v1,app1:v2", "case2": "app1@" + digest + ",app1@" + otherDigest},
			image: "app1:v1@" + digest,
			want:  imagemapping.Change{Image: "app1@" + otherDigest, By: []string{"case2"}, DroppedDigest: digest},
		},
		"one with a tag before one with a name alone": {
			data:  map[string]string{"case1": "app1,x", "case2": "app1:v1,y:v2"},
			image: "app1:v1", want: by("case2", "y:v2"),
		},
		"one with a name before a tag alone": {
			data:  map[string]string{"case1": "v1:v2", "case2": "app1,y"},
			image: "app1:v1", want: by("case2", "y:v1"),
		},
		"between equals the lowest number": {
			data:  map[string]string{"case10": "app1,x", "case2": "app1,y", "case010": "app1,z"},
			image: "app1:v1", want: by("case2", "y:v1"),
		},
		"one alone, not one to the outcome of another": {
			data:  map[string]string{"case1": "app1,app2", "case2": "app2,app3", "case3": "v1:v2"},
			image: "app1:v1", want: by("case1", "app2:v1"),
		},
	})
}

func TestANewNameThatIsTooLong(t *testing.T) {
	t.Parallel()
	const image = "docker.io/team/app1"
	_, err := change(t, registries("docker.io: reg.cn/"+strings.Repeat("x", 250)), image)
	want := "the image docker.io/team/app1 would become reg.cn/" + strings.Repeat("x", 250) + "/team/app1: repository name must not be more than 255 characters"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	const (
		form      = `: allowed is "old,new", or "old:new" for tags`
		empty     = ": one side is empty: an image is replaced by an image, a tag by a tag"
		nothing   = ": both sides mean the same: nothing would change"
		format    = ": invalid reference format"
		looksLike = ": this looks like a registry: map registries by imageRegistryMapping, write an image of that name with its registry, and tags as old:new"
		oneImage  = ": this is one image, with none below it: write both sides as the names of images, such as docker.io/library/nginx: reg.example/nginx"
	)
	inRow := func(text, problem string) string { return `key "case1", line 1: "` + text + `"` + problem }
	inPrefix := func(text, problem string) string {
		return `key "imageRegistryMapping", line 1: "` + text + `"` + problem
	}
	cases := map[string]struct {
		data map[string]string
		want string
	}{
		"a word alone":                         {row("app1"), inRow("app1", form)},
		"an image alone":                       {row("reg.local/app1:v1"), inRow("reg.local/app1:v1", form)},
		"three sides":                          {row("a,b,c"), inRow("a,b,c", form)},
		"three tags":                           {row("a:b:c"), inRow("a:b:c", form)},
		"nothing at all":                       {row(""), inRow("", form)},
		"an empty new side":                    {row("app1,"), inRow("app1,", empty)},
		"an empty old side":                    {row(" ,app1"), inRow(",app1", empty)},
		"an empty tag":                         {row("v1:"), inRow("v1:", empty)},
		"a capital in a repository":            {row("Team/App1,app2"), inRow("Team/App1,app2", `: "Team/App1": invalid reference format: repository name (App1) must be lowercase`)},
		"a malformed new side":                 {row("app1,app2:v2:v3"), inRow("app1,app2:v2:v3", `: "app2:v2:v3"`+format)},
		"a malformed digest":                   {row("app1@sha256:12,app2"), inRow("app1@sha256:12,app2", `: "app1@sha256:12"`+format)},
		"a tag for a repository":               {row("team/app1,V2"), inRow("team/app1,V2", `: "V2": invalid reference format: repository name (library/V2) must be lowercase`)},
		"space within":                         {row("app 1,app2"), inRow("app 1,app2", `: "app 1"`+format)},
		"the same twice":                       {row("app1,app1"), inRow("app1,app1", nothing)},
		"the same in other words":              {row("docker.io/app1,app1"), inRow("docker.io/app1,app1", nothing)},
		"the same tag":                         {row("v1:v1"), inRow("v1:v1", nothing)},
		"a name for itself with its tag":       {row("app1:v1,app1"), inRow("app1:v1,app1", nothing)},
		"a registry by its name and port":      {row("reg.local:5000,reg.cn:5000"), inRow("reg.local:5000,reg.cn:5000", `: "reg.local:5000"`+looksLike)},
		"a registry by its address":            {row("1.1.1.1:5000,2.2.2.2:3000"), inRow("1.1.1.1:5000,2.2.2.2:3000", `: "1.1.1.1:5000"`+looksLike)},
		"registries by their names":            {row("quay.io,reg.cn"), inRow("quay.io,reg.cn", `: "quay.io"`+looksLike)},
		"a registry's name as the new side":    {row("app1,reg.cn"), inRow("app1,reg.cn", `: "reg.cn"`+looksLike)},
		"a registry whose name has numbers":    {row("1234.dkr.us-1.example,reg.cn/a"), inRow("1234.dkr.us-1.example,reg.cn/a", `: "1234.dkr.us-1.example"`+looksLike)},
		"this machine":                         {row("localhost,app1"), inRow("localhost,app1", `: "localhost"`+looksLike)},
		"an official image to a registry":      {registries("docker.io/library/nginx: reg.cn"), inPrefix("docker.io/library/nginx", oneImage)},
		"what is below an official image":      {registries("docker.io/library/nginx/: reg.cn/nginx"), inPrefix("docker.io/library/nginx/", oneImage)},
		"a registry as the new side":           {row("app1,localhost:5000"), inRow("app1,localhost:5000", `: "localhost:5000"`+looksLike)},
		"a key that is none of rows":           {map[string]string{"imageRegistryMaping": "a,b"}, `key "imageRegistryMaping": unknown: allowed are imageRegistryMapping, and case1, case2 and so on`},
		"a prefix without a registry":          {registries("library/: reg.cn"), inPrefix("library/", ": it names no registry: for images of Docker Hub write docker.io/library/")},
		"an empty prefix":                      {registries(`"": reg.cn`), inPrefix("", ": empty: write a registry such as docker.io")},
		"a prefix with a tag":                  {registries("reg.local/app1:v1: reg.cn"), inPrefix("reg.local/app1:v1", format+": allowed is a registry, and a path in it, without tag or digest")},
		"a prefix with an empty component":     {registries("reg.local//app1: reg.cn"), inPrefix("reg.local//app1", format+": allowed is a registry, and a path in it, without tag or digest")},
		"a prefix for itself":                  {registries("reg.local: REG.local/"), inPrefix("reg.local", nothing)},
		"a prefix that is there twice":         {registries("docker.io: a.local\nindex.docker.io/: b.local"), `key "imageRegistryMapping", line 2: "index.docker.io/": this is the same as "docker.io": keep one of them`},
		"a malformed prefix, by its line":      {registries("docker.io: a.local\nquay.io/a@sha256:0: b.local"), `key "imageRegistryMapping", line 2: "quay.io/a@sha256:0"` + format + ": allowed is a registry, and a path in it, without tag or digest"},
		"an empty replacement, by its line":    {registries("docker.io: a.local\nquay.io: ''"), `key "imageRegistryMapping", line 2: "": empty: write a registry such as docker.io`},
		"a malformed replacement, by its line": {registries("quay.io: https://a.local"), `key "imageRegistryMapping", line 1: "https://a.local": invalid reference format: allowed is a registry, and a path in it, without tag or digest`},
		"a list in place of the map":           {registries("- a"), `key "imageRegistryMapping", line 1: a list found: allowed is a map`},
		"an image of hexadecimal digits": {
			row("reg.local/a," + strings.Repeat("a", 64)),
			inRow("reg.local/a,"+strings.Repeat("a", 64), `: "`+strings.Repeat("a", 64)+`": invalid repository name (`+strings.Repeat("a", 64)+`), cannot specify 64-byte hexadecimal strings`),
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := settings.Decode[imagemapping.Mapping](configMap(test.data))
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff("ConfigMap velero/images, "+test.want, err.Error()); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}
