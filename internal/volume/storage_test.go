// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestOverlaps(t *testing.T) {
	t.Parallel()
	local := func(path string) corev1.PersistentVolumeSource {
		return corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: path}}
	}
	hostPath := func(path string) corev1.PersistentVolumeSource {
		return corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: path}}
	}
	for name, test := range map[string]struct {
		a, b corev1.PersistentVolumeSource
		want bool
	}{
		"the same directory":                      {a: local("/data/app"), b: local("/data/app"), want: true},
		"the same directory, written otherwise":   {a: local("/data/app/"), b: hostPath("/data//app"), want: true},
		"a directory and one below it":            {a: local("/data/app"), b: local("/data/app/db"), want: true},
		"a directory and one above it":            {a: local("/data/app/db"), b: local("/data/app"), want: true},
		"directories with the same beginning":     {a: local("/data/app"), b: local("/data/apple")},
		"volumes of drivers that show no storage": {a: csi("x.example.com", nil), b: local("/data")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := volumeWith(test.a), volumeWith(test.b)
			if got := Overlaps(a, b); got != test.want {
				t.Errorf("they overlap: %t, want %t", got, test.want)
			}
		})
	}
}

// TestOverlapsOnNodes holds that a directory is taken for the same where nobody can tell.
func TestOverlapsOnNodes(t *testing.T) {
	t.Parallel()
	on := func(affinity string) *corev1.PersistentVolume {
		pv := volumeWith(corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/data/app"}})
		if key, node, ok := strings.Cut(affinity, "="); ok {
			pv.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: key, Operator: corev1.NodeSelectorOpIn, Values: strings.Split(node, ",")}},
			}}}}
		}
		return pv
	}
	for name, test := range map[string]struct {
		a, b string
		want bool
	}{
		"the same node":                            {a: "kubernetes.io/hostname=node-1", b: "kubernetes.io/hostname=node-1", want: true},
		"two nodes":                                {a: "kubernetes.io/hostname=node-1", b: "kubernetes.io/hostname=node-2"},
		"a node and one that is not told":          {a: "kubernetes.io/hostname=node-1", want: true},
		"a node and one of several":                {a: "kubernetes.io/hostname=node-1", b: "kubernetes.io/hostname=node-1,node-2", want: true},
		"a node and one that has another label":    {a: "kubernetes.io/hostname=node-1", b: "example.com/rack=1", want: true},
		"two volumes that both do not tell theirs": {want: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Overlaps(on(test.a), on(test.b)); got != test.want {
				t.Errorf("they overlap: %t, want %t", got, test.want)
			}
			if got := Overlaps(on(test.b), on(test.a)); got != test.want {
				t.Errorf("the other way round they overlap: %t, want %t", got, test.want)
			}
		})
	}
}

func TestSetHandle(t *testing.T) {
	t.Parallel()
	handled := func(driver, handle string) corev1.PersistentVolumeSource {
		source := csi(driver, nil)
		source.CSI.VolumeHandle = handle
		return source
	}
	for name, test := range map[string]struct {
		source, want corev1.PersistentVolumeSource
		named        string
	}{
		"a name":                       {source: handled(DriverNAS, "nas-1"), want: handled(DriverNAS, "new"), named: "nas-1"},
		"a name of OSS":                {source: handled(DriverOSS, "oss-1"), want: handled(DriverOSS, "new"), named: "oss-1"},
		"a name behind an id":          {source: handled(DriverBMCPFS, "cpfs-1+old"), want: handled(DriverBMCPFS, "cpfs-1+new"), named: "old"},
		"an id that a name may follow": {source: handled(DriverBMCPFS, "cpfs-1"), want: handled(DriverBMCPFS, "cpfs-1+new")},
		"an id":                        {source: handled(DriverDisk, "d-1"), want: handled(DriverDisk, "d-1")},
		"no handle":                    {source: flexVolume(FlexDriverNAS, nil), want: flexVolume(FlexDriverNAS, nil)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkSet(t, test.source, test.want, func(pv *corev1.PersistentVolume) *corev1.PersistentVolume { return SetHandle(pv, "new") })
			if got := HandleName(volumeWith(test.source)); got != test.named {
				t.Errorf("the name in the handle is %q, want %q", got, test.named)
			}
		})
	}
}

func TestIsReclaimed(t *testing.T) {
	t.Parallel()
	of := func(attributes map[string]string, handle string) corev1.PersistentVolumeSource {
		source := csi(DriverNAS, attributes)
		source.CSI.VolumeHandle = handle
		return source
	}
	for name, test := range map[string]struct {
		source corev1.PersistentVolumeSource
		want   bool
	}{
		"a directory of the volume's name":             {source: of(map[string]string{"server": "s", "path": "/share/nas-1", "volumeAs": "subpath"}, "nas-1"), want: true},
		"a directory of another name":                  {source: of(map[string]string{"server": "s", "path": "/share/nas-2", "volumeAs": "subpath"}, "nas-1")},
		"a directory of another name in a CNFS":        {source: of(map[string]string{"containerNetworkFileSystem": "c", "path": "/nas-2"}, "nas-1")},
		"a file system of its own":                     {source: of(map[string]string{"server": "s", "path": "/", "volumeAs": "filesystem"}, "nas-1"), want: true},
		"an Extreme NAS file system of its own":        {source: of(map[string]string{"server": "s.cn-hangzhou.extreme.nas.aliyuncs.com", "path": "/share", "volumeAs": "filesystem"}, "nas-1"), want: true},
		"a directory of a file system of its own":      {source: of(map[string]string{"server": "s", "path": "/restored", "volumeAs": "filesystem"}, "nas-1")},
		"a directory that all volumes are":             {source: of(map[string]string{"server": "s", "path": "/a", "volumeAs": "sharepath"}, "nas-1"), want: true},
		"a disk, which is known by its id":             {source: csi(DriverDisk, nil), want: true},
		"a directory of FlexVolume, which nobody made": {source: flexVolume(FlexDriverNAS, map[string]string{"server": "s", "path": "/a"}), want: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := IsReclaimed(volumeWith(test.source)); got != test.want {
				t.Errorf("it is reclaimed: %t, want %t", got, test.want)
			}
		})
	}
}

func TestWhatIsKnownOfAStorage(t *testing.T) {
	t.Parallel()
	inCNFS := func(path string) corev1.PersistentVolumeSource {
		source := csi(DriverNAS, map[string]string{"containerNetworkFileSystem": "c", "path": path})
		source.CSI.VolumeHandle = "of " + path
		return source
	}
	for name, test := range map[string]struct {
		source, other   corev1.PersistentVolumeSource
		known, contains bool
	}{
		"a directory of a CNFS, by any handle":    {source: inCNFS("/a"), other: inCNFS("/a/b"), known: true, contains: true},
		"another directory of the CNFS":           {source: inCNFS("/a"), other: inCNFS("/b"), known: true},
		"a volume that names no storage":          {source: csi(DriverNAS, nil), other: inCNFS("/a")},
		"a handle that is an id":                  {source: csi("x.example.com", nil), other: inCNFS("/a"), known: true},
		"a bucket that is known by its CNFS":      {source: csi(DriverOSS, map[string]string{"containerNetworkFileSystem": "o"}), other: inCNFS("/a"), known: true},
		"a plug-in of which nothing can be known": {source: flexVolume("x/y", nil), other: inCNFS("/a")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pv, other := volumeWith(test.source), volumeWith(test.other)
			if other.Spec.CSI.VolumeHandle == "pv-1" {
				other.Spec.CSI.VolumeHandle = "pv-2"
			}
			if known, contains := IsKnown(pv), Contains(pv, other); known != test.known || contains != test.contains {
				t.Errorf("known %t, contains %t, want %t, %t", known, contains, test.known, test.contains)
			}
		})
	}
}
