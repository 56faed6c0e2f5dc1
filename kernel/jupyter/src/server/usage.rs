//! What the kernel uses of the machine, for the front end's display.

use parking_lot::Mutex;
use serde_json::{Value, json};
use sysinfo::{
    CpuRefreshKind, MemoryRefreshKind, Pid, ProcessRefreshKind, ProcessesToUpdate, System,
};

/// Measures; shares of the processor are those since the measurement before.
pub struct Usage(Mutex<System>);

impl Usage {
    pub fn new() -> Usage {
        Usage(Mutex::new(System::new()))
    }

    /// The content of a `usage_reply`: the kernel is this process with all that it has started, the cells' process and
    /// compilers among them. Memory is in bytes, `kernel_cpu` in per cent of one core.
    pub fn content(&self) -> Value {
        let mut system = self.0.lock();
        system.refresh_cpu_specifics(CpuRefreshKind::nothing().with_cpu_usage());
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        system.refresh_processes_specifics(
            ProcessesToUpdate::All,
            true,
            ProcessRefreshKind::nothing()
                .with_cpu()
                .with_memory()
                .without_tasks(),
        );
        let own = Pid::from_u32(std::process::id());
        let (mut cpu, mut memory) = (0.0, 0);
        for (pid, process) in system.processes() {
            if descends(&system, *pid, own) {
                cpu += process.cpu_usage();
                memory += process.memory();
            }
        }
        let (total, available, used) = (
            system.total_memory(),
            system.available_memory(),
            system.used_memory(),
        );
        json!({
            "status": "ok",
            "hostname": System::host_name().unwrap_or_default(),
            "pid": own.as_u32(),
            "cpu_count": system.cpus().len(),
            "kernel_cpu": cpu,
            "kernel_memory": memory,
            "host_cpu_percent": system.global_cpu_usage(),
            "host_virtual_memory": {
                "total": total,
                "available": available,
                "percent": 100.0 * (total - available.min(total)) as f64 / total.max(1) as f64,
                "used": used,
                "free": system.free_memory(),
            },
        })
    }
}

/// Whether a process is `ancestor` or was started by it, directly or not.
fn descends(system: &System, pid: Pid, ancestor: Pid) -> bool {
    let mut current = Some(pid);
    // Parents are a tree; the bound holds where the list was read while processes came and went.
    for _ in 0..64 {
        match current {
            Some(pid) if pid == ancestor => return true,
            Some(pid) => current = system.process(pid).and_then(|process| process.parent()),
            None => return false,
        }
    }
    false
}
