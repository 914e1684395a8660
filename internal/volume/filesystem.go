// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Domains of mount targets.
const (
	domainNAS        = ".nas.aliyuncs.com"
	domainExtremeNAS = ".extreme.nas.aliyuncs.com"
	domainCPFS       = ".cpfs.aliyuncs.com"
	domainCPFSLustre = ".cpfs.nas.aliyuncs.com"
)

// share is the directory of Extreme NAS and of CPFS that their mount targets export.
const share = "/share"

// cpfs is a file system type, and begins the mount protocols of that type alone.
const cpfs = "cpfs"

// FileSystem is the part of a NAS or CPFS file system, or of another NFS server's,
// that a PersistentVolume mounts. A field is empty where the volume does not say.
type FileSystem struct {
	// ID is the file system's id in the NAS API: an attribute, else told by Server.
	ID string
	// Server is the mount target, without a port or path.
	Server string
	// Path is the directory below the file system's root, clean; "/" is all of it.
	Path string
	// Protocol is the CSI driver's mountProtocol: nfs, efc, cpfs-nfs, cpfs-native,
	// alinas.
	Protocol string
	// VolumeAs says what the CSI driver provisioned: subpath, sharepath or filesystem.
	VolumeAs string
	// CNFS is the name of the ContainerNetworkFileSystem that describes the file
	// system in the cluster.
	CNFS string
}

// FileSystemOf returns what pv mounts, and whether it is NAS, CPFS or NFS at all.
func FileSystemOf(pv *corev1.PersistentVolume) (FileSystem, bool) {
	kind := KindOf(pv)
	switch {
	case kind != KindNAS && kind != KindCPFS && kind != KindNFS:
		return FileSystem{}, false
	case FormOf(pv) == FormInTree:
		nfs := pv.Spec.NFS
		return FileSystem{ID: fileSystemID(nfs.Server), Server: nfs.Server, Path: directory(nfs.Path)}, true
	case isLustre(pv):
		return lustreCPFS(parameters(pv)), true
	case FormOf(pv) == FormCSI && pv.Spec.CSI.Driver == DriverBMCPFS:
		return bmcpfs(pv.Spec.CSI), true
	default:
		return driverFileSystem(parameters(pv)), true
	}
}

// isLustre tells whether pv is a CPFS volume of the drivers that mount it by Lustre.
func isLustre(pv *corev1.PersistentVolume) bool {
	return FormOf(pv) == FormFlexVolume && pv.Spec.FlexVolume.Driver == FlexDriverCPFS ||
		FormOf(pv) == FormCSI && pv.Spec.CSI.Driver == DriverCPFS
}

// driverFileSystem reads the parameters of the CSI drivers for NAS and CPFS, and of
// the FlexVolume driver for NAS.
func driverFileSystem(params map[string]string) FileSystem {
	fs := FileSystem{
		ID:       Parameter(params, "fileSystemId"),
		Server:   Parameter(params, "server"),
		Path:     directory(Parameter(params, "path")),
		Protocol: Parameter(params, "mountProtocol"),
		VolumeAs: Parameter(params, "volumeAs"),
		CNFS:     Parameter(params, "containerNetworkFileSystem"),
	}
	if fs.ID == "" {
		fs.ID = fileSystemID(fs.Server)
	}
	return fs
}

// bmcpfs reads a CPFS for Lingjun volume. Its handle is the file system's id, and
// after a plus sign the fileset or whatever else makes the handle unique.
func bmcpfs(source *corev1.CSIPersistentVolumeSource) FileSystem {
	id, _, _ := strings.Cut(source.VolumeHandle, "+")
	server := Parameter(source.VolumeAttributes, "vpcMountTarget")
	if server == "" {
		server = Parameter(source.VolumeAttributes, "vscMountTarget")
	}
	return FileSystem{ID: id, Server: server, Path: directory(Parameter(source.VolumeAttributes, "path"))}
}

// lustreCPFS reads a Lustre volume, which the FlexVolume driver and DriverCPFS
// name by the same parameters. Its server is a list of Lustre network ids, such
// as cpfs-x-y.cn-shenzhen.cpfs.nas.aliyuncs.com@tcp:/08fba53c.
func lustreCPFS(params map[string]string) FileSystem {
	server, _, _ := strings.Cut(Parameter(params, "server"), "@")
	return FileSystem{
		ID:     fileSystemID(server),
		Server: server,
		Path:   directory(Parameter(params, "subPath")),
	}
}

// directory returns p as a clean absolute path, as the drivers mount it.
func directory(p string) string {
	return path.Join("/", p)
}

// nasDriverKind tells the file systems apart that the NAS driver mounts: by the
// type if it is given, else by what only CPFS has.
func nasDriverKind(attributes map[string]string) Kind {
	if fsType := Parameter(attributes, "filesystemType"); fsType != "" {
		if strings.EqualFold(fsType, cpfs) {
			return KindCPFS
		}
		return KindNAS
	}
	if strings.HasPrefix(Parameter(attributes, "mountProtocol"), cpfs) || isCPFS(Parameter(attributes, "server")) {
		return KindCPFS
	}
	return KindNAS
}

// nfsKind tells whose NFS server server is.
func nfsKind(server string) Kind {
	switch {
	case isCPFS(server):
		return KindCPFS
	case strings.HasSuffix(server, domainNAS):
		return KindNAS
	default:
		return KindNFS
	}
}

func isCPFS(server string) bool {
	return strings.HasSuffix(server, domainCPFS) || strings.HasSuffix(server, domainCPFSLustre)
}

// NASFileSystemID returns the id of the NAS file system that server is a mount target
// of, and "" for any other server, those of CPFS among them.
func NASFileSystemID(server string) string {
	if isCPFS(server) {
		return ""
	}
	return fileSystemID(server)
}

// fileSystemID returns the id of the file system that server is a mount target of,
// and "" if server is not Alibaba Cloud's. Mount targets are <id>-<suffix>.<domain>;
// the id of CPFS begins with cpfs-, that of Extreme NAS with an extreme- that its
// mount targets leave out.
func fileSystemID(server string) string {
	host, _, _ := strings.Cut(server, ".")
	first, rest, _ := strings.Cut(host, "-")
	switch {
	case isCPFS(server) && rest != "":
		second, _, _ := strings.Cut(rest, "-")
		return first + "-" + second
	case isCPFS(server):
		return first
	case strings.HasSuffix(server, domainExtremeNAS) && first != "":
		return "extreme-" + first
	case strings.HasSuffix(server, domainNAS):
		return first
	default:
		return ""
	}
}

// ExportOf returns the directory above all others that can be mounted by the mount target
// server. A volume that is a file system of its own is this one.
// Source: kubernetes-sigs/alibaba-cloud-csi-driver, pkg/nas, getMountRootAndRelPath and the
// CreateVolume of filesystem_controller.go.
func ExportOf(server string) string {
	if strings.HasSuffix(server, domainExtremeNAS) || strings.HasSuffix(server, domainCPFS) {
		return share
	}
	return "/"
}

// SetFileSystem returns pv as the volume of a directory behind a mount target. If pv is
// no volume of NAS, CPFS or NFS, or server or path is empty, it returns pv as it is, and
// so it does for another server than its own, unless that is of NAS.
//
// Where the server changes, what else pv says of the file system is corrected: its id,
// and the CNFS that describes it, which is left out. All else stays, mount options among it.
func SetFileSystem(pv *corev1.PersistentVolume, server, path string) *corev1.PersistentVolume {
	restored := pv.DeepCopy()
	had, ok := FileSystemOf(pv)
	if !ok || server == "" || path == "" || KindOf(pv) != KindNAS && server != had.Server {
		return restored
	}
	if FormOf(pv) == FormInTree {
		restored.Spec.NFS.Server, restored.Spec.NFS.Path = server, directory(path)
		return restored
	}
	params := ensureParameters(restored)
	setParameter(params, pathParameter(pv), directory(path))
	if had.Server == server {
		return restored
	}
	dropParameter(params, "containerNetworkFileSystem")
	if Parameter(params, "fileSystemId") != "" {
		setParameter(params, "fileSystemId", fileSystemID(server))
	}
	setParameter(params, "server", server)
	return restored
}

// pathParameter is the name that the driver of pv has for the directory.
func pathParameter(pv *corev1.PersistentVolume) string {
	if isLustre(pv) {
		return "subPath"
	}
	return "path"
}
