// SPDX-License-Identifier: Apache-2.0

package csidriver

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/provisioner"
)

// Machine is the node that a driver runs on.
type Machine struct {
	// Node is its name in the cluster.
	Node string
	// Instance is the ECS instance that it is, to which disks are attached.
	Instance string
	// Zone is where that is.
	Zone string
}

// nodeServer mounts the volumes of one of the drivers.
type nodeServer struct {
	csi.UnimplementedNodeServer

	driver  string
	machine Machine
	cloud   *Cloud
	mounter Mounter
	// provisioner knows CNFS objects.
	provisioner provisioner.Provisioner
}

// NodeGetInfo says which labels the kubelet gives the Node. The real driver of disks has published its own key for the
// zone and, since 2021, that of Kubernetes.
func (s *nodeServer) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	if s.driver != provisioner.DiskDriver {
		return &csi.NodeGetInfoResponse{NodeId: s.machine.Node}, nil
	}
	return &csi.NodeGetInfoResponse{NodeId: s.machine.Instance, AccessibleTopology: &csi.Topology{Segments: map[string]string{
		provisioner.DiskZoneLabel: s.machine.Zone, "topology.kubernetes.io/zone": s.machine.Zone,
	}}}, nil
}

// NodeGetCapabilities says that disks are staged: the kubelet then tells when the last Pod of a node is done with one.
func (s *nodeServer) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	answer := &csi.NodeGetCapabilitiesResponse{}
	if s.driver == provisioner.DiskDriver {
		answer.Capabilities = []*csi.NodeServiceCapability{{Type: &csi.NodeServiceCapability_Rpc{
			Rpc: &csi.NodeServiceCapability_RPC{Type: csi.NodeServiceCapability_RPC_STAGE_UNSTAGE_VOLUME},
		}}}
	}
	return answer, nil
}

// NodeStageVolume attaches a disk and mounts it for all Pods of the node.
func (s *nodeServer) NodeStageVolume(ctx context.Context, r *csi.NodeStageVolumeRequest) (*csi.NodeStageVolumeResponse, error) {
	if s.driver != provisioner.DiskDriver {
		return nil, status.Error(codes.Unimplemented, "volumes are not staged")
	}
	if err := check(r.GetVolumeId(), r.GetStagingTargetPath(), r.GetVolumeCapability()); err != nil {
		return nil, err
	}
	dir, err := s.cloud.attach(ctx, r.GetVolumeId(), s.machine.Instance)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.NodeStageVolumeResponse{}, s.bind(dir, r.GetStagingTargetPath(), false)
}

// NodeUnstageVolume unmounts a disk and detaches it.
func (s *nodeServer) NodeUnstageVolume(ctx context.Context, r *csi.NodeUnstageVolumeRequest) (*csi.NodeUnstageVolumeResponse, error) {
	if r.GetVolumeId() == "" || r.GetStagingTargetPath() == "" {
		return nil, status.Error(codes.InvalidArgument, "volume id and staging path are required")
	}
	err := s.mounter.Unbind(r.GetStagingTargetPath())
	if err == nil {
		err = s.cloud.detach(ctx, r.GetVolumeId(), s.machine.Instance)
	}
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.NodeUnstageVolumeResponse{}, nil
}

// NodePublishVolume mounts a volume for a Pod.
func (s *nodeServer) NodePublishVolume(ctx context.Context, r *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	if err := check(r.GetVolumeId(), r.GetTargetPath(), r.GetVolumeCapability()); err != nil {
		return nil, err
	}
	dir, err := s.directory(ctx, r)
	if err != nil {
		return nil, err
	}
	mode := r.GetVolumeCapability().GetAccessMode().GetMode()
	readOnly := r.GetReadonly() || mode == csi.VolumeCapability_AccessMode_MULTI_NODE_READER_ONLY ||
		mode == csi.VolumeCapability_AccessMode_SINGLE_NODE_READER_ONLY
	return &csi.NodePublishVolumeResponse{}, s.bind(dir, r.GetTargetPath(), readOnly)
}

// directory returns what is to be mounted.
func (s *nodeServer) directory(ctx context.Context, r *csi.NodePublishVolumeRequest) (dir string, err error) {
	attributes := r.GetVolumeContext()
	switch s.driver {
	case provisioner.DiskDriver:
		if r.GetStagingTargetPath() == "" {
			return "", status.Error(codes.FailedPrecondition, "the disk is not staged")
		}
		return r.GetStagingTargetPath(), nil
	case provisioner.NASDriver:
		server, name := s.provisioner.Export(attributes)
		dir, err = s.cloud.mountFileSystem(ctx, server, name)
	default:
		if attributes["authType"] == "" && (r.GetSecrets()["akId"] == "" || r.GetSecrets()["akSecret"] == "") {
			return "", status.Error(codes.InvalidArgument, "OSS: akId and akSecret are required in the Secret of nodePublishSecretRef")
		}
		dir, err = s.cloud.mountBucket(ctx, attributes["bucket"], attributes["path"])
	}
	if err != nil {
		return "", status.Error(codes.Internal, err.Error())
	}
	return dir, nil
}

// NodeUnpublishVolume unmounts a volume of a Pod. There may be nothing.
func (s *nodeServer) NodeUnpublishVolume(ctx context.Context, r *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	if r.GetVolumeId() == "" || r.GetTargetPath() == "" {
		return nil, status.Error(codes.InvalidArgument, "volume id and target path are required")
	}
	err := s.mounter.Unbind(r.GetTargetPath())
	if err == nil {
		// Remove and not RemoveAll: should something be mounted there in spite of all, it keeps its files.
		if err = os.Remove(r.GetTargetPath()); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	if err == nil && s.driver == provisioner.OSSDriver {
		err = s.cloud.syncBuckets(ctx)
	}
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.NodeUnpublishVolumeResponse{}, nil
}

// check says what is wrong with a request.
func check(id, target string, capability *csi.VolumeCapability) error {
	switch {
	case id == "" || target == "" || capability == nil:
		return status.Error(codes.InvalidArgument, "volume id, path and capability are required")
	case capability.GetBlock() != nil:
		return status.Error(codes.InvalidArgument, "block volumes have no devices in the simulated cloud")
	default:
		return nil
	}
}

// bind mounts a directory at a path, which is made.
func (s *nodeServer) bind(dir, target string, readOnly bool) error {
	err := os.MkdirAll(target, 0o750)
	if err == nil {
		err = s.mounter.Bind(dir, target, readOnly)
	}
	if err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	return nil
}
