// SPDX-License-Identifier: Apache-2.0

package restoreitemaction_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	logrustest "github.com/sirupsen/logrus/hooks/test"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/restoreitemaction"
)

const imageDigest = "sha256:7cc4b5aefd1d0cadf8d97d4350462ba51c694ebca145b08d7d41b41acc8db5aa"

// newImageMapping returns the action where data is its ConfigMap, nil for none.
func newImageMapping(t *testing.T, data map[string]string) (*restoreitemaction.ImageMapping, *logrustest.Hook) {
	t.Helper()
	var configMaps []client.Object
	if data != nil {
		configMaps = append(configMaps, configMapOf("image-mapping", data))
	}
	return imageMappingIn(newAPI(t, configMaps...))
}

func imageMappingIn(api client.Client) (*restoreitemaction.ImageMapping, *logrustest.Hook) {
	log, hook := logrustest.NewNullLogger()
	return restoreitemaction.NewImageMapping(log, settings.NewReader(cluster.New(api, veleroNamespace))), hook
}

func imageInput(backedUp, item *unstructured.Unstructured) *velero.RestoreItemActionExecuteInput {
	return &velero.RestoreItemActionExecuteInput{
		Item:           item,
		ItemFromBackup: backedUp,
		Restore:        newRestore("restore-1"),
	}
}

// said is what is logged about a container of the Pod shop/web; pairs are more fields
// and their values.
func said(level logrus.Level, message, container string, pairs ...any) line {
	fields := logrus.Fields{"resource": "pods", "namespace": "shop", "name": "web", "container": container}
	for i := 0; i+1 < len(pairs); i += 2 {
		fields[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return line{level, message, fields}
}

// changed is what is logged about an image that is changed.
func changed(container, before, after, rule string) line {
	return said(logrus.InfoLevel, "Changed an image", container, "old", before, "new", after, "rule", rule)
}

// ofVolume is what is logged of a volume in place of a container.
func ofVolume(logged line) line {
	logged.Fields["volume"] = logged.Fields["container"]
	delete(logged.Fields, "container")
	return logged
}

// asLogged compares fields by what a log shows of them.
func asLogged() cmp.Option {
	return cmp.Transformer("asLogged", func(fields logrus.Fields) map[string]string {
		texts := make(map[string]string, len(fields))
		for field, value := range fields {
			texts[field] = fmt.Sprint(value)
		}
		return texts
	})
}

const podBefore = `
apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: web}
spec:
  initContainers:
  - {name: init, image: busybox, command: [sh]}
  containers:
  - {name: web, image: "docker.io/library/nginx:1.14.1", fieldOfTomorrow: {a: 1}}
  - {name: proxy, image: "quay.io/team/proxy:v1"}
  ephemeralContainers:
  - {name: debug, image: "busybox:1.37", targetContainerName: web}
  volumes:
  - {name: web, image: {reference: "small:v3", pullPolicy: Always}}
  - {name: scratch, emptyDir: {}}
status: {phase: Running}
`

func TestImageMappingOfAPod(t *testing.T) {
	t.Parallel()
	action, hook := newImageMapping(t, map[string]string{
		"imageRegistryMapping": "docker.io/library: reg.cn/my",
		"case1":                "nginx:1.14.1,nginx:1.14.2",
	})
	before := readObject(t, podBefore)
	given := before.DeepCopy()
	output, err := action.Execute(imageInput(before, given))
	if err != nil {
		t.Fatal(err)
	}
	want := readObject(t, `
apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: web}
spec:
  initContainers:
  - {name: init, image: reg.cn/my/busybox, command: [sh]}
  containers:
  - {name: web, image: "reg.cn/my/nginx:1.14.2", fieldOfTomorrow: {a: 1}}
  - {name: proxy, image: "quay.io/team/proxy:v1"}
  ephemeralContainers:
  - {name: debug, image: "reg.cn/my/busybox:1.37", targetContainerName: web}
  volumes:
  - {name: web, image: {reference: "reg.cn/my/small:v3", pullPolicy: Always}}
  - {name: scratch, emptyDir: {}}
status: {phase: Running}
`)
	got := asUnstructured(t, output.UpdatedItem)
	if diff := cmp.Diff(want.Object, got.Object); diff != "" {
		t.Errorf("the pod differs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before.Object, given.Object); diff != "" {
		t.Errorf("the input was changed (-before +after):\n%s", diff)
	}
	wantLog := []line{
		changed("init", "busybox", "reg.cn/my/busybox", "imageRegistryMapping"),
		changed("web", "docker.io/library/nginx:1.14.1", "reg.cn/my/nginx:1.14.2", "case1, imageRegistryMapping"),
		changed("debug", "busybox:1.37", "reg.cn/my/busybox:1.37", "imageRegistryMapping"),
		ofVolume(changed("web", "small:v3", "reg.cn/my/small:v3", "imageRegistryMapping")),
	}
	if diff := cmp.Diff(wantLog, linesOf(hook)); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	again, err := action.Execute(imageInput(before, got))
	if err != nil {
		t.Fatal(err)
	}
	if again.UpdatedItem != got {
		t.Error("a second time the item is another one")
	}
}

// TestImageMappingOfWorkloads has a template of Pods in each resource that AppliesTo names.
func TestImageMappingOfWorkloads(t *testing.T) {
	t.Parallel()
	const (
		pods     = `apiVersion: %s, kind: %s, metadata: {namespace: shop, name: web}, spec: {containers: [{name: web, image: "%s"}]}`
		template = `apiVersion: %s, kind: %s, metadata: {namespace: shop, name: web}, spec: {template: {spec: {containers: [{name: web, image: "%s"}]}}}`
		cronJobs = `apiVersion: %s, kind: %s, metadata: {namespace: shop, name: web}, spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: web, image: "%s"}]}}}}}`
	)
	kinds := map[string]struct{ apiVersion, kind, shape string }{
		"pods":                   {"v1", "Pod", pods},
		"replicationcontrollers": {"v1", "ReplicationController", template},
		"deployments.apps":       {"apps/v1", "Deployment", template},
		"statefulsets.apps":      {"apps/v1", "StatefulSet", template},
		"daemonsets.apps":        {"apps/v1", "DaemonSet", template},
		"replicasets.apps":       {"apps/v1", "ReplicaSet", template},
		"deployments.extensions": {"extensions/v1beta1", "Deployment", template},
		"daemonsets.extensions":  {"extensions/v1beta1", "DaemonSet", template},
		"replicasets.extensions": {"extensions/v1beta1", "ReplicaSet", template},
		"jobs.batch":             {"batch/v1", "Job", template},
		"cronjobs.batch":         {"batch/v1beta1", "CronJob", cronJobs},
	}
	action, _ := newImageMapping(t, map[string]string{"case1": "v1:v2"})
	selector, err := action.AppliesTo()
	if err != nil {
		t.Fatal(err)
	}
	for _, resource := range selector.IncludedResources {
		kind := kinds[resource]
		t.Run(resource, func(t *testing.T) {
			t.Parallel()
			object := func(image string) *unstructured.Unstructured {
				return readObject(t, "{"+fmt.Sprintf(kind.shape, kind.apiVersion, kind.kind, image)+"}")
			}
			output, err := action.Execute(imageInput(object("app1:v1"), object("app1:v1")))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(object("app1:v2").Object, asUnstructured(t, output.UpdatedItem).Object); diff != "" {
				t.Errorf("the object differs (-want +got):\n%s", diff)
			}
		})
		delete(kinds, resource)
	}
	if len(kinds) > 0 {
		t.Errorf("the action does not apply to %v", kinds)
	}
}

// podWith returns a Pod with the containers, a YAML list.
func podWith(t *testing.T, containers string) *unstructured.Unstructured {
	t.Helper()
	return readObject(t, "{apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web}, spec: {containers: "+containers+"}}")
}

func TestImageMappingGoesByTheBackup(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		data                 map[string]string
		backedUp, item, want string
		wantLog              []line
	}{
		"a rule holds in place of what Velero's action made": {
			data:     map[string]string{"case1": "app1:v1,app2:v2"},
			backedUp: "[{name: a, image: 'app1:v1'}]",
			item:     "[{name: a, image: 'reg.cn/app1:v1'}]",
			want:     "[{name: a, image: 'app2:v2'}]",
			wantLog:  []line{changed("a", "reg.cn/app1:v1", "app2:v2", "case1")},
		},
		"what Velero's action made stays where no rule holds, even one for what it made": {
			data:     map[string]string{"case1": "reg.cn/app1:v1,app2:v2"},
			backedUp: "[{name: a, image: 'app1:v1'}]",
			item:     "[{name: a, image: 'reg.cn/app1:v1'}]",
			want:     "[{name: a, image: 'reg.cn/app1:v1'}]",
			wantLog:  []line{},
		},
		"a container that an action added stays": {
			data:     map[string]string{"imageRegistryMapping": "docker.io: reg.cn"},
			backedUp: "[{name: a, image: app1}]",
			item:     "[{name: wait, image: velero/velero}, {name: a, image: app1}]",
			want:     "[{name: wait, image: velero/velero}, {name: a, image: reg.cn/library/app1}]",
			wantLog:  []line{changed("a", "app1", "reg.cn/library/app1", "imageRegistryMapping")},
		},
		"an image that is none stays, and the log tells": {
			data:     map[string]string{"imageRegistryMapping": "docker.io: reg.cn"},
			backedUp: "[{name: a, image: App1}, {name: b, image: app1}, {name: c, image: ''}, {name: d}, {name: e, image: 7}]",
			want:     "[{name: a, image: App1}, {name: b, image: reg.cn/library/app1}, {name: c, image: ''}, {name: d}, {name: e, image: 7}]",
			wantLog: []line{
				said(logrus.InfoLevel, "Leaving an image alone that no rule can be about", "a", "image", "App1", logrus.ErrorKey,
					"invalid reference format: repository name (library/App1) must be lowercase"),
				changed("b", "app1", "reg.cn/library/app1", "imageRegistryMapping"),
			},
		},
		"a digest that goes is told, with a warning where no tag is left": {
			data:     map[string]string{"case1": "app1,app2"},
			backedUp: "[{name: a, image: 'app1:v1@" + imageDigest + "'}, {name: b, image: 'app1@" + imageDigest + "'}]",
			want:     "[{name: a, image: 'app2:v1'}, {name: b, image: app2}]",
			wantLog: []line{
				changed("a", "app1:v1@"+imageDigest, "app2:v1", "case1"),
				said(logrus.InfoLevel, "Dropped the digest of an image, because the new one has other content", "a",
					"old", "app1:v1@"+imageDigest, "new", "app2:v1", "rule", "case1", "digest", imageDigest),
				changed("b", "app1@"+imageDigest, "app2", "case1"),
				said(logrus.WarnLevel, "The new image has neither the digest of the old one nor a tag: name one in the rule, or the container gets whatever is the latest", "b",
					"old", "app1@"+imageDigest, "new", "app2", "rule", "case1", "digest", imageDigest),
			},
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			action, hook := newImageMapping(t, test.data)
			if test.item == "" {
				test.item = test.backedUp
			}
			output, err := action.Execute(imageInput(podWith(t, test.backedUp), podWith(t, test.item)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(podWith(t, test.want).Object, asUnstructured(t, output.UpdatedItem).Object); diff != "" {
				t.Errorf("the pod differs (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.wantLog, linesOf(hook), asLogged()); diff != "" {
				t.Errorf("log (-want +got):\n%s", diff)
			}
		})
	}
}

func TestImageMappingReturnsTheVeryItem(t *testing.T) {
	t.Parallel()
	mapping := map[string]string{"imageRegistryMapping": "docker.io: reg.cn"}
	mistaken := map[string]string{"case1": "app1"}
	cases := map[string]struct {
		data map[string]string
		item string
	}{
		"without a ConfigMap":                                      {nil, podBefore},
		"with a ConfigMap that says nothing":                       {map[string]string{}, podBefore},
		"where no rule is about its images":                        {mapping, "{apiVersion: v1, kind: Pod, spec: {containers: [{name: a, image: quay.io/app1}]}}"},
		"of another group's StatefulSet":                           {mapping, "{apiVersion: apps.kruise.io/v1, kind: StatefulSet, spec: {template: {spec: {containers: [{name: a, image: app1}]}}}}"},
		"without containers, even where the ConfigMap is mistaken": {mistaken, "{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 1}}"},
		"whose containers are no list":                             {mapping, "{apiVersion: v1, kind: Pod, spec: {containers: {name: a, image: app1}}}"},
		"whose container is no map":                                {mapping, "{apiVersion: v1, kind: Pod, spec: {containers: [app1]}}"},
		"whose spec is no map":                                     {mapping, "{apiVersion: v1, kind: Pod, spec: app1}"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			action, hook := newImageMapping(t, test.data)
			item := readObject(t, test.item)
			output, err := action.Execute(imageInput(item.DeepCopy(), item))
			if err != nil {
				t.Fatal(err)
			}
			if output.UpdatedItem != item {
				t.Errorf("the item is another one: %v", output.UpdatedItem)
			}
			if diff := cmp.Diff(readObject(t, test.item).Object, item.Object); diff != "" {
				t.Errorf("the item was changed (-before +after):\n%s", diff)
			}
			if diff := cmp.Diff([]line{}, linesOf(hook)); diff != "" {
				t.Errorf("log (-want +got):\n%s", diff)
			}
		})
	}
}

func TestImageMappingFails(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 250)
	cases := map[string]struct {
		data map[string]string
		want string
	}{
		"by a mistake in the ConfigMap, which it names": {
			data: map[string]string{"case1": "app1", "case2": "app1,app2"},
			want: `ConfigMap velero/image-mapping, key "case1", line 1: "app1": allowed is "old,new", or "old:new" for tags`,
		},
		"by a new name that is too long": {
			data: map[string]string{"imageRegistryMapping": "quay.io: reg.cn/" + long},
			want: "mapping the images of pods shop/web: container proxy: the image quay.io/team/proxy:v1 would become reg.cn/" + long +
				"/team/proxy:v1: repository name must not be more than 255 characters",
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			action, _ := newImageMapping(t, test.data)
			_, err := action.Execute(imageInput(readObject(t, podBefore), readObject(t, podBefore)))
			if err == nil || err.Error() != test.want {
				t.Errorf("error %v, want %s", err, test.want)
			}
		})
	}
}

func TestImageMappingFailsWithoutTheServer(t *testing.T) {
	t.Parallel()
	errAway := errors.New("the server is away")
	action, hook := imageMappingIn(interceptor.NewClient(newAPI(t), interceptor.Funcs{
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error { return errAway },
	}))
	_, err := action.Execute(imageInput(readObject(t, podBefore), readObject(t, podBefore)))
	if !errors.Is(err, errAway) {
		t.Errorf("error %v, want %v", err, errAway)
	}
	if diff := cmp.Diff([]line{}, linesOf(hook)); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

func TestImageMappingTellsWhatVelerosActionIgnores(t *testing.T) {
	t.Parallel()
	upstream := configMapOf("image-mapping", map[string]string{"case1": "v1:v2", "case2": "app1,app2", "case3": "app1"})
	upstream.Labels = map[string]string{settings.LabelPluginConfig: "", "velero.io/change-image-name": "RestoreItemAction"}
	action, hook := imageMappingIn(newAPI(t, upstream))
	for _, uid := range []types.UID{"1", "1", "2"} {
		item := podWith(t, "[{name: a, image: 'app1:v1'}]")
		input := imageInput(item.DeepCopy(), item)
		input.Restore.UID = uid
		output, err := action.Execute(input)
		if err != nil {
			t.Fatal(err)
		}
		if output.UpdatedItem != item {
			t.Errorf("the item is another one: %v", output.UpdatedItem)
		}
	}
	warning := line{
		logrus.WarnLevel, `ConfigMap velero/image-mapping: rows without a comma are ignored by Velero's action velero.io/change-image-name. ` +
			`In place of this label give the ConfigMap the label alibabacloud.com/image-mapping: RestoreItemAction, which reads them, or write "old,new"`,
		logrus.Fields{"rows": `case1: "v1:v2"; case3: "app1"`},
	}
	if diff := cmp.Diff([]line{warning, warning}, linesOf(hook)); diff != "" {
		t.Errorf("log of two restores (-want +got):\n%s", diff)
	}
}

func TestImageMappingSaysNothingOfACorrectChangeImageName(t *testing.T) {
	t.Parallel()
	upstream := configMapOf("image-mapping", map[string]string{"case1": "v1,v2"})
	upstream.Labels = map[string]string{settings.LabelPluginConfig: "", "velero.io/change-image-name": "RestoreItemAction"}
	action, hook := imageMappingIn(newAPI(t, upstream))
	item := readObject(t, podBefore)
	if _, err := action.Execute(imageInput(item, item)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]line{}, warningsOf(hook)); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}
